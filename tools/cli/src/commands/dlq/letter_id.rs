pub(crate) use contracts::operations::LetterId;

pub use contracts::operations::LetterId;

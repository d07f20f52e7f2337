use messaging::StateTable;

/// One row per order.
pub(crate) const PAYMENTS: StateTable = StateTable::new("payments");

// The macro makes undocumented public items.
#[allow(missing_docs)]
mod embedded {
    refinery::embed_migrations!("migrations");
}

pub(crate) fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}

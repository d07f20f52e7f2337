use messaging::StateTable;

/// One row per order.
pub(crate) const PAYMENTS: StateTable = StateTable::new("payments");

pub(crate) fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!()
}

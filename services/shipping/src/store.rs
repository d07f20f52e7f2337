use messaging::StateTable;

/// One row per order.
pub(crate) const SHIPMENTS: StateTable = StateTable::new("shipments");

pub(crate) fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!()
}

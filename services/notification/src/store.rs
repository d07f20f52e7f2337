use messaging::StateTable;

/// One row per order.
pub(crate) const NOTIFICATIONS: StateTable = StateTable::new("notifications");

pub(crate) fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!()
}

use sqlx::PgConnection;

/// Connections to the databases of the five services. They are only read.
#[derive(Debug)]
pub struct Databases {
    /// The order service's.
    pub order: PgConnection,
    /// The inventory service's.
    pub inventory: PgConnection,
    /// The payment service's.
    pub payment: PgConnection,
    /// The shipping service's.
    pub shipping: PgConnection,
    /// The notification service's.
    pub notification: PgConnection,
}

impl Databases {
    pub(super) fn all(&mut self) -> [(&'static str, &mut PgConnection); 5] {
        [
            ("order", &mut self.order),
            ("inventory", &mut self.inventory),
            ("payment", &mut self.payment),
            ("shipping", &mut self.shipping),
            ("notification", &mut self.notification),
        ]
    }
}

use sqlx::PgConnection;

use crate::choreography::Service;

/// Connections to the databases of the fleet's services. They are only read.
#[derive(Debug)]
pub struct Databases(Vec<PgConnection>);

impl Databases {
    /// Those of all services, in the order of [`services`](crate::services).
    pub fn new(connections: Vec<PgConnection>) -> Self {
        assert_eq!(connections.len(), Service::all().len(), "one per service");
        Self(connections)
    }

    /// That of the service that begins the sagas.
    pub fn first(&mut self) -> &mut PgConnection {
        &mut self.0[Service::first().place()]
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = (Service, &mut PgConnection)> {
        Service::all().zip(&mut self.0)
    }
}

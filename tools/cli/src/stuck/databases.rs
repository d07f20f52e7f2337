use choreography::Service;
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::database::{joined, limited};

/// Connections to the databases of the fleet's services. They are only read.
#[derive(Debug)]
pub struct Databases(Vec<PgConnection>);

/// When services joined the fleet, of those of which that is known.
pub(crate) type Joined = Vec<(Service, Timestamp)>;

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

    /// When the services joined. One that cannot be read says why when it is asked something else.
    pub(crate) async fn joined(&mut self) -> Joined {
        let mut all = Joined::new();
        for (service, database) in self.all() {
            let at = limited(joined(database)).await;
            all.extend(at.ok().map(|at| (service, at)));
        }
        all
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = (Service, &mut PgConnection)> {
        Service::all().zip(&mut self.0)
    }
}

use choreography::Service;
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::database::{joined, limited};

/// Connections to the databases of the fleet's services, as far as these are there. They are only read.
#[derive(Debug)]
pub struct Databases {
    first: PgConnection,
    /// Those of the others.
    others: Vec<(Service, PgConnection)>,
    /// Which are not there, and why.
    missing: Vec<(Service, String)>,
}

/// When services joined the fleet, of those of which that is known.
pub(crate) type Joined = Vec<(Service, Timestamp)>;

impl Databases {
    /// Those of all services, in the order of [`services`](crate::services); an error if that of the
    /// service that begins the sagas is not there: nobody else knows what orders there are.
    pub fn new<E: ToString>(connections: Vec<Result<PgConnection, E>>) -> Result<Self, E> {
        assert_eq!(connections.len(), Service::all().len(), "one per service");
        let (mut first, mut others, mut missing) = (None, Vec::new(), Vec::new());
        for (service, connection) in Service::all().zip(connections) {
            match connection {
                connection if service == Service::first() => first = Some(connection?),
                Ok(connection) => others.push((service, connection)),
                Err(error) => missing.push((service, error.to_string())),
            }
        }
        let Some(first) = first else { unreachable!("the first is one of them") };
        Ok(Self { first, others, missing })
    }

    /// That of the service that begins the sagas.
    pub fn first(&mut self) -> &mut PgConnection {
        &mut self.first
    }

    /// The services whose databases are not there, and why.
    pub(crate) fn missing(&self) -> &[(Service, String)] {
        &self.missing
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
        let others = self.others.iter_mut().map(|(service, database)| (*service, database));
        let mut all: Vec<_> =
            std::iter::once((Service::first(), &mut self.first)).chain(others).collect();
        all.sort_by_key(|(service, _)| *service);
        all.into_iter()
    }
}

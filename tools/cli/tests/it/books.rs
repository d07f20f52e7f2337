use std::path::Path;

use declarations::SERVICES;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::Sandbox;
use tokio::process::Command;
use uuid::Uuid;

use crate::{Run, output, program};

/// The services' databases, as the services make them, for a test to write into.
pub(crate) struct Books {
    pub(crate) sandbox: Sandbox,
}

impl Books {
    /// With nothing in them.
    pub(crate) async fn new() -> Self {
        let sandbox = Sandbox::new();
        for service in SERVICES {
            let url = sandbox.database(service).await;
            let mut database = PgConnection::connect(&url).await.unwrap();
            migrate(&mut database, "shared/messaging").await;
            migrate(&mut database, &format!("services/{service}")).await;
            long_ago(&mut database).await;
        }
        Self { sandbox }
    }

    /// Writes something into a service's database. Locks are held until the connection is dropped.
    pub(crate) async fn write(&self, service: &str, sql: &str) -> PgConnection {
        let url = self.sandbox.database_url(service);
        let mut database = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
        database
    }

    /// An order whose status has not changed for ten minutes.
    pub(crate) async fn order(&self, order: Uuid, status: &str, reason: Option<&str>) {
        let state = match reason {
            Some(reason) => json!({ "status": status, "reason": reason }),
            None => json!({ "status": status }),
        };
        let insert = format!(
            "INSERT INTO orders (saga, version, emitted, last_bundle, state, customer_id,
               lines, total, currency, idempotency_key, request_hash, placed_at, updated_at,
               deadline_at, placed_event_id, correlation_id)
             VALUES ('{order}', 1, 1, 1, '{state}', 'c', '[]', 1, 'EUR', '{order}', '',
               now() - interval '10 minutes', now() - interval '10 minutes',
               now() + interval '5 minutes', gen_random_uuid(), 'c')"
        );
        self.write("order", &insert).await;
    }

    /// Where the four other services are with an order; `–` is nowhere.
    pub(crate) async fn states(&self, order: Uuid, states: [&str; 3], messages: Value) {
        let tables =
            [("inventory", "reservations"), ("payment", "payments"), ("shipping", "shipments")];
        for ((service, table), status) in tables.into_iter().zip(states) {
            if status != "–" {
                self.state(service, table, order, &json!({ "status": status })).await;
            }
        }
        // Whom to tell is forgotten once all was told.
        let is_quiet = messages.as_object().is_none_or(serde_json::Map::is_empty);
        let address = if is_quiet { json!({"known": {}}) } else { json!("forgotten") };
        let state = json!({"address": address, "messages": messages});
        self.state("notification", "notifications", order, &state).await;
    }

    async fn state(&self, service: &str, table: &str, order: Uuid, state: &Value) {
        let insert = format!(
            "INSERT INTO {table} (saga, version, emitted, last_bundle, state)
             VALUES ('{order}', 1, 0, 0, '{state}')"
        );
        self.write(service, &insert).await;
    }

    /// `farandole`, told where all these databases are.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Run {
        output(self.command(arguments)).await
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.sandbox, arguments);
        for service in SERVICES {
            let variable = format!("{}_DATABASE_URL", service.to_uppercase());
            command.env(variable, self.sandbox.database_url(service));
        }
        command
    }
}

/// The service is older than any order.
pub(crate) async fn long_ago(database: &mut PgConnection) {
    let move_back = "UPDATE first_day SET at = now() - interval '1 year'";
    sqlx::raw_sql(move_back).execute(database).await.unwrap();
}

/// Runs the migrations of a crate, in order.
pub(crate) async fn migrate(database: &mut PgConnection, of: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(of).join("migrations");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let migration = std::fs::read_to_string(file).unwrap();
        sqlx::raw_sql(AssertSqlSafe(migration)).execute(&mut *database).await.unwrap();
    }
}

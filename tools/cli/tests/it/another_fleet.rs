//! A fleet with a service that the tool was not built with: it goes by what the service declares.

use contracts::Declared;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

use crate::books::{Books, long_ago, migrate};
use crate::{Run, output};

/// A table of states, as a service's migrations make it.
const BALANCES: &str = "CREATE TABLE balances (saga uuid PRIMARY KEY, version integer NOT NULL,
    emitted integer NOT NULL, last_bundle bigint, seen json NOT NULL DEFAULT '{}', state json NOT NULL)";

fn tribute() -> Declared {
    let tribute = json!({
        "service": "tribute",
        "about": "awards points",
        "port": 8099,
        "table": "balances",
        "status": ["status"],
        "consumes": [
            {"event": "OrderPlaced", "from": "order", "leads_to": ["TributePaid"]},
            {"event": "OrderCompleted", "from": "order", "leads_to": ["TributePaid"]},
        ],
        "emits": [{"event": "TributePaid"}],
        "books": [{
            "name": "L1-points",
            "rule": "nobody has less than no points",
            "holds": [{"no_row": "SELECT 'order ' || saga || ' has too few' FROM balances
                WHERE ({state}->>'points')::int < 0"}],
        }],
        "settles": {"completed": ["awarded"], "cancelled": ["awaiting", "unseen"]},
        "statuses": [
            {"status": "unseen", "not_read": ["OrderPlaced", "OrderCompleted"]},
            {"status": "awaiting", "has_read": ["OrderPlaced"], "not_read": ["OrderCompleted"]},
            {
                "status": "awarded",
                "has_read": ["OrderPlaced", "OrderCompleted"],
                "has_said": ["TributePaid"],
                "final": true,
            },
        ],
    });
    serde_json::from_value(tribute).unwrap()
}

struct AnotherFleet {
    books: Books,
    declarations: TempDir,
    tribute: String,
}

impl AnotherFleet {
    async fn new() -> Self {
        let (books, declarations) = (Books::new().await, tempfile::tempdir().unwrap());
        for service in declarations::fleet().services().iter().chain([&tribute()]) {
            let file = declarations.path().join(format!("{}.json", service.service));
            std::fs::write(file, serde_json::to_string(service).unwrap()).unwrap();
        }
        let url = books.sandbox.database("tribute").await;
        let mut database = PgConnection::connect(&url).await.unwrap();
        migrate(&mut database, "shared/messaging").await;
        sqlx::raw_sql(BALANCES).execute(&mut database).await.unwrap();
        long_ago(&mut database).await;
        Self { books, declarations, tribute: url }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.books.command(arguments);
        command
            .env("FARANDOLE_DECLARATIONS", self.declarations.path())
            .env("TRIBUTE_DATABASE_URL", &self.tribute);
        command
    }

    async fn ask(&self, arguments: &[&str]) -> Run {
        output(self.command(arguments)).await
    }

    async fn write(&self, sql: &str) {
        let mut database = PgConnection::connect(&self.tribute).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_the_tool_was_not_built_with_is_looked_after() {
    let fleet = AnotherFleet::new().await;
    fleet.books.sandbox.prepare_fleet().await;
    fleet.books.sandbox.create_topics(&["tribute"], 3).await;
    let order = Uuid::now_v7();
    let sent = json!({"completed": {"status": "sent"}});
    fleet.books.order(order, "completed", None).await;
    fleet.books.states(order, ["shipped", "charged", "created"], sent).await;

    fleet.ask(&["orders", "stuck"]).await.exits(1).says("tribute awaits OrderPlaced from order");
    let state = json!({"status": "awarded", "points": -1});
    let insert = format!(
        "INSERT INTO balances (saga, version, emitted, last_bundle, state)
         VALUES ('{order}', 1, 1, 0, '{state}')"
    );
    fleet.write(&insert).await;
    fleet.ask(&["orders", "stuck"]).await.exits(0);
    let shown = fleet.ask(&["orders", "show", &order.to_string()]).await.exits(0);
    shown.says("tribute      awarded");
    let audit = fleet.ask(&["audit"]).await.exits(1);
    audit
        .says("L1-points     1 violation")
        .says(&format!("order {order} has too few"))
        .says("tribute is awarded, but has not read OrderPlaced, OrderCompleted")
        .says("tribute's event 1 of 1 is lost");

    let gap = format!(
        "INSERT INTO gaps (saga, source, sequence, partition, verdict)
         VALUES ('{order}', '/order', 1, 0, 'lost')"
    );
    fleet.write(&gap).await;
    fleet.ask(&["gaps", "--service", "tribute"]).await.exits(1).says(&order.to_string());
    fleet.ask(&["dlq", "list", "--service", "tribute"]).await.exits(0).says("No dead letter");
    fleet.ask(&["retries", "list", "--service", "tribute"]).await.exits(0);
    let mut unknown = fleet.command(&["audit"]);
    unknown.env_remove("TRIBUTE_DATABASE_URL");
    output(unknown).await.exits(3).says("set TRIBUTE_DATABASE_URL");
}

/// Its database was made after the order, of which the topics know nothing any more.
#[tokio::test]
async fn a_service_that_joins_later_is_not_asked_about_what_was_before() {
    let fleet = AnotherFleet::new().await;
    fleet.books.sandbox.prepare_fleet().await;
    fleet.books.sandbox.create_topics(&["tribute"], 3).await;
    // Ids begin with the time.
    let ago =
        |minutes: u128| Uuid::from_u128(Uuid::now_v7().as_u128() - ((minutes * 60_000) << 80));
    let (before, after) = (ago(20), ago(2));
    let sent = json!({"completed": {"status": "sent"}});
    for order in [before, after] {
        fleet.books.order(order, "completed", None).await;
        let states = ["shipped", "charged", "created"];
        fleet.books.states(order, states, sent.clone()).await;
    }
    fleet.ask(&["orders", "stuck"]).await.exits(1).says("2 orders do not go on");

    fleet.write("UPDATE first_day SET at = now() - interval '10 minutes'").await;
    let stuck = fleet.ask(&["orders", "stuck"]).await.exits(1);
    stuck.says("1 order does not go on").says(&after.to_string());
    let shown = fleet.ask(&["orders", "show", &before.to_string()]).await.exits(0);
    assert!(!shown.output.contains("tribute"), "{}", shown.output);
    let audit = fleet.ask(&["audit"]).await;
    let unsettled = format!("order {after} is completed, but: tribute –");
    let audit = audit.says("tribute's database was made at").says(&unsettled);
    let audit = audit.says("of 1 older orders it knows nothing");
    let asked = format!("order {before} is completed, but: tribute");
    assert!(!audit.output.contains(&asked), "{}", audit.output);

    // It has heard of the end, of which the topics had forgotten the beginning.
    let awaiting = json!({"status": "awaiting"});
    let insert = format!(
        "INSERT INTO balances (saga, version, emitted, last_bundle, state)
         VALUES ('{before}', 1, 0, 0, '{awaiting}')"
    );
    fleet.write(&insert).await;
    let stuck = fleet.ask(&["orders", "stuck"]).await.exits(1);
    assert!(!stuck.output.contains(&before.to_string()), "{}", stuck.output);
    let audit = fleet.ask(&["audit"]).await.says(&unsettled);
    assert!(!audit.output.contains(&asked), "{}", audit.output);
}

#[tokio::test]
async fn declarations_that_make_no_fleet_are_refused() {
    let fleet = AnotherFleet::new().await;
    let file = fleet.declarations.path().join("tribute.json");
    std::fs::write(&file, r#"{"service": "tribute", "consumes": "OrderPlaced"}"#).unwrap();
    let refused = fleet.ask(&["status"]).await.exits(2);
    refused.says("FARANDOLE_DECLARATIONS").says("tribute.json").says("sequence");
    let mut two_begin = tribute();
    two_begin.begins = declarations::fleet().first().0.begins.clone();
    std::fs::write(&file, serde_json::to_string(&two_begin).unwrap()).unwrap();
    fleet.ask(&["status"]).await.exits(2).says("one service is to begin the sagas, and 2 do");
    let mut nowhere = fleet.command(&["status"]);
    nowhere.env("FARANDOLE_DECLARATIONS", "/nowhere");
    output(nowhere).await.exits(2).says("/nowhere cannot be read");
}

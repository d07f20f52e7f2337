use std::time::Duration;

use contracts::Encoder;
use contracts::dead_letter_headers as dead;
use farandole_cli::OrderId;
use kafka::{Bounds, PlainRecord, Publisher, Registry, scan, windows};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use testkit::schemas::order_placed;
use testkit::{Sandbox, eventually};
use uuid::Uuid;

use crate::books::migrate;
use crate::{Run, envelope, order, program, run};

const PATIENCE: Duration = Duration::from_secs(30);
/// No registry has it.
const UNKNOWN_SCHEMA: &[u8] = &[0, 0x7f, 0, 0, 1, 42];

/// A corner of the stack with dead letters, put there as services do.
struct Graveyard {
    sandbox: Sandbox,
    publisher: Publisher,
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

fn header(name: &str, value: impl Into<String>) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), Some(value.into().into_bytes()))
}

fn event(event_type: &str, order: OrderId) -> Headers {
    let envelope = envelope(event_type, order);
    envelope.headers().into_iter().map(|(name, value)| header(name, value)).collect()
}

impl Graveyard {
    async fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
        Self { sandbox, publisher }
    }

    /// An event of this service's that failed at this offset, with these errors.
    async fn bury(&self, service: &str, own: Headers, payload: &[u8], at: i64, errors: &[&str]) {
        let topics = &self.sandbox.topics;
        let failure = [
            header(dead::ERRORS, json!(errors).to_string()),
            header(dead::ATTEMPTS, errors.len().to_string()),
            header(dead::TOPIC, topics.events("order")),
            header(dead::PARTITION, "0"),
            header(dead::OFFSET, at.to_string()),
            header(dead::GROUP, topics.group(service)),
            header(dead::FIRST_FAILED_AT, "2026-01-02T03:04:05Z"),
            header(dead::LAST_FAILED_AT, "2026-01-02T03:05:05Z"),
        ];
        self.publish(PlainRecord {
            topic: topics.dead_letters(service),
            // All in one partition, so that their ids are known.
            key: Some(b"key".to_vec()),
            payload: Some(payload.to_vec()),
            headers: own.into_iter().chain(failure).collect(),
        })
        .await;
    }

    async fn publish(&self, record: PlainRecord) {
        self.publisher.publish_all(&[record]).await.unwrap();
    }

    /// Some that fail for the same cause.
    async fn bury_some(&self, service: &str, count: i64) {
        for at in 0..count {
            let error = format!("schema id {at} is not in the schema registry");
            let own = event("OrderPlaced", order());
            self.bury(service, own, UNKNOWN_SCHEMA, at, &[&error]).await;
        }
    }

    async fn run(&self, arguments: &str) -> Run {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        run(&self.sandbox, &[&["dlq"], &words[..]].concat()).await
    }

    async fn json(&self, arguments: &str) -> Value {
        let run = self.run(&format!("{arguments} --json")).await;
        serde_json::from_str(&run.output).unwrap_or_else(|_| panic!("{}{}", run.output, run.errors))
    }

    /// The ids of the letters that are open.
    async fn open(&self) -> Vec<String> {
        let list = self.json("list --group-by none").await;
        let letters = list["letters"].as_array().unwrap();
        letters.iter().map(|letter| letter["letter"].as_str().unwrap().to_owned()).collect()
    }

    /// All headers of what is in the order service's topic.
    async fn put_back(&self) -> Vec<Headers> {
        let brokers = self.sandbox.stack.kafka_brokers.clone();
        let topic = self.sandbox.topics.events("order");
        let reading = move || {
            let windows = windows(&brokers, &[topic], Bounds::Everything).unwrap();
            let mut found = Vec::new();
            scan(&brokers, &windows, |record| {
                let own = record.headers.iter().flatten();
                let own = own.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)));
                found.push(own.collect());
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
            found
        };
        tokio::task::spawn_blocking(reading).await.unwrap()
    }

    /// The payment service's database, as its loop makes it; and the flag that names it.
    async fn database(&self) -> (PgConnection, String) {
        let url = self.sandbox.database("payment").await;
        let mut database = PgConnection::connect(&url).await.unwrap();
        migrate(&mut database, "shared/messaging").await;
        migrate(&mut database, "services/payment").await;
        (database, format!("--payment-database-url {url}"))
    }
}

/// Puts an id into an inbox.
async fn see(database: &mut PgConnection, id: Uuid) {
    let insert = sqlx::query("INSERT INTO inbox VALUES ($1)").bind(id);
    insert.execute(database).await.unwrap();
}

fn value<'h>(headers: &'h Headers, name: &str) -> &'h str {
    let (_, value) = headers.iter().find(|(there, _)| there == name).unwrap();
    std::str::from_utf8(value.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn list_counts_what_failed_alike() {
    let graves = Graveyard::new().await;
    graves.run("list").await.exits(0).says("No dead letter is open");
    graves.bury_some("payment", 3).await;
    let one = order();
    let errors = ["postgres: away", "SKU 17 is refused"];
    graves.bury("shipping", event("OrderConfirmed", one), b"", 9, &errors).await;
    graves
        .run("list")
        .await
        .exits(0)
        .says("payment   3        new    schema id <n> is not in the schema registry  OrderPlaced")
        .says("shipping  1        new    SKU <n> is refused")
        .says("4 dead letters are open")
        .says("farandole dlq redrive --all-open --dry-run");
    let by_type = graves.json("list --group-by type").await;
    assert_eq!(by_type["groups"][0]["count"], 3);
    assert_eq!(by_type["groups"][1]["types"], json!(["OrderConfirmed"]));
    for (filter, count) in [
        ("--service payment", 3),
        ("--type OrderConfirmed --type OrderPlaced", 4),
        ("--cause refused", 1),
        ("--newer-than 1h", 4),
        ("--older-than 1h", 0),
        (&format!("--order {one}"), 1),
    ] {
        assert_eq!(graves.json(&format!("list {filter}")).await["open"], count, "{filter}");
    }
    graves.run("list --service nobody").await.exits(2).says("there are order, inventory");
    graves.run("show payment/0/99").await.exits(1).says("there is no dead letter payment/0/99");
}

#[tokio::test]
async fn garbage_is_listed_and_shown_and_not_redriven() {
    let graves = Graveyard::new().await;
    let topic = graves.sandbox.topics.dead_letters("payment");
    let nothing = PlainRecord { topic: topic.clone(), ..PlainRecord::default() };
    graves.publish(nothing).await;
    let odd = header(dead::ERRORS, "not JSON");
    let headers = vec![odd, ("ce_type".to_owned(), None), ("odd".to_owned(), Some(vec![0xff]))];
    let odd = PlainRecord { topic, key: Some(vec![0xff]), payload: Some(vec![1]), headers };
    graves.publish(odd).await;
    graves.run("list").await.exits(0).says("no error is recorded").says("not JSON");
    let open = graves.open().await;
    assert_eq!(open.len(), 2);
    for id in &open {
        graves.run(&format!("show {id}")).await.exits(0).says("nothing was done about it");
        graves.run(&format!("show {id} --raw --json")).await.exits(0);
    }
    graves
        .run("redrive --all-open --yes")
        .await
        .exits(1)
        .says("it does not say which topic it came from")
        .says("Nothing to redrive");
    assert_eq!(graves.put_back().await.len(), 0);
}

#[tokio::test]
async fn show_tells_all_without_personal_data() {
    let graves = Graveyard::new().await;
    let (sandbox, id) = (&graves.sandbox, order());
    let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
    let schema = registry.latest(&sandbox.topics.subject("order", "OrderPlaced")).await.unwrap();
    let placed = order_placed(&id, "TEA");
    let payload = Encoder::new(schema.id, &schema.schema).unwrap().encode(&placed).unwrap();
    let errors = ["first", "second"];
    graves.bury("payment", event("OrderPlaced", id), &payload, 7, &errors).await;
    graves.bury("payment", event("OrderPlaced", id), UNKNOWN_SCHEMA, 8, &["no schema"]).await;

    let open = graves.open().await;
    let shown = graves.run(&format!("show {}", open[0])).await.exits(0);
    assert!(!shown.output.contains("Lyon"), "{}", shown.output);
    shown
        .says(&format!("{}: open, OrderPlaced of order {id}", open[0]))
        .says("\"amount\": 900")
        .says("(redacted)")
        .says("2. second")
        .says("2 times, failed first at 2026-01-02T03:04:05Z")
        .says(&format!("farandole dlq redrive {}", open[0]));
    graves.run(&format!("show {} --raw", open[0])).await.exits(0).says("1 Rue");
    graves
        .run(&format!("show {}", open[1]))
        .await
        .exits(0)
        .says("cannot be decoded: schema id 2130706433 is not in the schema registry")
        .says("00000000  00 7f 00 00 01 2a");
    let away = "--schema-registry-url http://127.0.0.1:9/apis/ccompat/v7";
    graves.run(&format!("show {} {away}", open[0])).await.exits(0).says("is not there");
}

#[tokio::test]
async fn what_is_discarded_stays_dead_and_is_told() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 3).await;
    let open = graves.open().await;
    graves.run(&format!("discard {}", open[0])).await.exits(2).says("--reason");
    graves
        .run(&format!("discard {} {} --yes --by ada --reason test-order", open[0], open[1]))
        .await
        .exits(0)
        .says("2 dead letters discarded");
    assert_eq!(graves.open().await, open[2..]);
    graves.run("list --all").await.exits(0).says("discarded").says("1 dead letter is open");
    graves.run(&format!("show {}", open[0])).await.exits(0).says("discarded by ada");
    graves
        .run(&format!("discard {} payment/2/9999 --reason again", open[0]))
        .await
        .exits(1)
        .says("it was discarded by ada")
        .says("there is no such letter")
        .says("Nothing fits");
    graves.run("log").await.exits(0).says("ada").says("2 of 2").says("test-order");
    let log = graves.json("log --limit 1").await;
    assert_eq!(log.as_array().unwrap().len(), 1);
    assert_eq!(
        (&log[0]["kind"], &log[0]["outcome"]),
        (&json!("discard"), &json!("discarded")),
        "nothing was done the second time, so there is one operation"
    );
    // Without the database nobody can say what became of it.
    graves.run(&format!("redrive {} --again", open[0])).await.exits(3).says("1 redriven");
}

#[tokio::test]
async fn what_is_silenced_stays_open_until_there_is_more_of_it() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 2).await;
    let state = async || {
        let list = graves.json("list").await;
        (list["open"].clone(), list["groups"][0]["state"].clone())
    };
    assert_eq!(state().await, (json!(2), json!("new")));
    graves.run("silence --service payment --yes").await.exits(2).says("--reason");
    graves
        .run("silence --service payment --yes --by ada --reason on-monday")
        .await
        .exits(0)
        .says("2 dead letters silenced")
        .says("unsilence");
    assert_eq!(state().await, (json!(2), json!("silenced")), "they are open all the same");
    graves.run("log").await.exits(0).says("silence").says("on-monday");
    graves.run("unsilence --service payment --yes").await.exits(0).says("silenced no more");
    assert_eq!(state().await, (json!(2), json!("new")));
    graves.run("silence --service payment --yes --reason again").await.exits(0);
    let error = "schema id 7 is not in the schema registry";
    let one_more = event("OrderPlaced", order());
    graves.bury("payment", one_more, UNKNOWN_SCHEMA, 7, &[error]).await;
    assert_eq!(state().await, (json!(3), json!("new")), "one more ends it");
}

#[tokio::test]
async fn what_is_redriven_goes_back_as_it_was() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 3).await;
    let open = graves.open().await;
    graves
        .run("redrive --service payment --canary 2 --dry-run")
        .await
        .exits(0)
        .says("3 dead letters would be redriven, 2 of them first")
        .says(&graves.sandbox.topics.events("order"));
    assert_eq!(graves.put_back().await.len(), 0, "a dry run does nothing");

    graves
        .run("redrive --cause registry --yes --by ada --reason fixed")
        .await
        .exits(3)
        .says("3 redriven: 3 not checked");
    let back = graves.put_back().await;
    assert_eq!(back.len(), 3);
    for headers in &back {
        assert_eq!(headers.len(), 10 + 3, "the event's own, and three of ours");
        assert_eq!(value(headers, "ce_type"), "OrderPlaced");
        assert_eq!(value(headers, contracts::TARGET_GROUP), graves.sandbox.topics.group("payment"));
        let redrive: Uuid = value(headers, contracts::REDRIVE).parse().unwrap();
        assert_eq!(redrive.get_version_num(), 7);
        let history: Value = serde_json::from_str(value(headers, contracts::DEAD_HISTORY)).unwrap();
        assert_eq!(
            (&history[0]["redriven_by"], &history[0]["reason"]),
            (&json!("ada"), &json!("fixed"))
        );
    }
    graves.run("list").await.exits(0).says("No dead letter is open");
    graves.run("redrive --all-open --yes").await.exits(0).says("Nothing to redrive");
    graves.run(&format!("redrive {}", open[0])).await.exits(1).says("it was redriven by ada");
    graves.run("log").await.exits(0).says("3 of 3").says("--cause registry").says("fixed");
}

#[tokio::test]
async fn what_has_no_topic_to_go_back_to_is_left_out() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 1).await;
    let open = graves.open().await;
    let elsewhere = PlainRecord {
        topic: graves.sandbox.topics.dead_letters("payment"),
        key: Some(b"key".to_vec()),
        payload: None,
        headers: vec![
            header("ce_type", "OrderPlaced"),
            header(dead::TOPIC, "gone.events"),
            header(dead::PARTITION, "0"),
            header(dead::OFFSET, "1"),
            header(dead::GROUP, graves.sandbox.topics.group("payment")),
        ],
    };
    graves.publish(elsewhere).await;
    graves
        .run("redrive --service payment --yes")
        .await
        .exits(1)
        .says("its topic gone.events does not exist")
        .says("1 redriven: 1 not checked. Next: set PAYMENT_DATABASE_URL");
    graves.run(&format!("show {}", open[0])).await.exits(0).says("redriven by");
}

/// With what is said of it, a record can become larger than its topic allows.
#[tokio::test]
async fn what_kafka_does_not_take_stays_open_and_the_others_go() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 2).await;
    let large = vec![b'x'; 1_048_000];
    graves.bury("payment", event("OrderPlaced", order()), &large, 50, &["too much"]).await;
    let open = graves.open().await;
    graves
        .run("redrive --all-open --yes --rate 100")
        .await
        .exits(1)
        .says(&format!("{} is refused", open[2]))
        .says("2 redriven: 2 not checked; 1 refused by Kafka");
    assert_eq!(graves.open().await, open[2..]);
}

/// The service is played by the test: one letter is applied, one fails, one dies, one is held.
#[tokio::test]
async fn each_outcome_is_told() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 4).await;
    let (mut payment, database) = graves.database().await;
    let open = graves.open().await;
    let mut ids = Vec::new();
    for id in &open {
        let shown = graves.json(&format!("show {id}")).await;
        ids.push(shown["redrive_id"].as_str().unwrap().parse::<Uuid>().unwrap());
    }
    see(&mut payment, ids[0]).await;
    for (id, attempts, error) in [(ids[1], 1, "still no"), (ids[2], 0, "")] {
        let insert = "INSERT INTO retry_queue (topic, partition, record_offset, header_names,
               header_values, attempts, due_at, errors)
             VALUES ('t', 0, $1, ARRAY['a', 'farandole_redrive'], $2, $3, now(), ARRAY[$4])";
        let offset = i64::from(attempts);
        let values = vec![None, Some(id.to_string().into_bytes())];
        sqlx::query(insert)
            .bind(offset)
            .bind(values)
            .bind(attempts)
            .bind(error)
            .execute(&mut payment)
            .await
            .unwrap();
    }
    let mut own = event("OrderPlaced", order());
    own.push(header(contracts::REDRIVE, ids[3].to_string()));
    graves.bury("payment", own, UNKNOWN_SCHEMA, 99, &["again"]).await;

    // Known to have come back, the fourth is open no more.
    let all = open[..3].join(" ");
    let arguments = format!("redrive {all} --yes --outcome-wait 1 {database}");
    graves
        .run(&arguments)
        .await
        .exits(1)
        .says(&format!("{} is failing again: still no", open[1]))
        .says("3 redriven: 1 applied, 1 failing again, 1 not yet read");
    graves.run(&format!("redrive {}", open[3])).await.exits(1).says("and came back as payment/");
    for (id, said) in open.iter().zip(["applied", "failing again: still no", "not yet read"]) {
        graves.run(&format!("show {id} {database}")).await.exits(0).says(said);
    }
    let shown = graves.run(&format!("show {} {database}", open[0])).await.exits(0);
    shown.says("the inbox does not have the event");
}

#[tokio::test]
async fn a_canary_that_fails_again_stops_the_rest() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 5).await;
    let (mut payment, database) = graves.database().await;
    graves
        .run("redrive --all-open --yes --canary 2")
        .await
        .exits(3)
        .says("set PAYMENT_DATABASE_URL");
    assert_eq!(graves.put_back().await.len(), 0);
    graves
        .run(&format!("redrive --all-open --yes --canary 2 --outcome-wait 1 {database}"))
        .await
        .exits(1)
        .says("Stopped, for a canary is not yet read: 2 redriven: 2 not yet read, 3 left");
    assert_eq!(graves.put_back().await.len(), 2);

    let open = graves.open().await;
    assert_eq!(open.len(), 3);
    let shown = graves.json(&format!("show {}", open[0])).await;
    let id: Uuid = shown["redrive_id"].as_str().unwrap().parse().unwrap();
    see(&mut payment, id).await;
    graves
        .run(&format!("redrive --all-open --yes --canary 1 --outcome-wait 1 {database}"))
        .await
        .exits(1)
        .says("3 redriven: 1 applied, 2 not yet read");
    graves.run("log").await.exits(0).says("stopped, for a canary is not yet read");
}

/// Killed in the middle, and started again.
#[tokio::test]
async fn an_interrupted_redrive_goes_on_where_it_was() {
    let graves = Graveyard::new().await;
    graves.bury_some("payment", 60).await;
    let redrive = ["dlq", "redrive", "--all-open", "--yes", "--rate", "20", "--by", "ada"];
    let mut child = program(&graves.sandbox, &redrive).spawn().unwrap();
    eventually("some are redriven", PATIENCE, async || {
        let log = graves.json("log").await;
        log[0]["done"].as_u64().is_some_and(|done| done >= 5).then_some(())
    })
    .await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let (left, back) = (graves.open().await.len(), graves.put_back().await.len());
    assert!((1..=55).contains(&left), "{left}");
    // What was published last may not have been noted.
    assert!((60 - left..=62 - left).contains(&back), "{back} and {left}");
    graves.run("log").await.exits(0).says("under way, or interrupted");

    graves.run("redrive --all-open --yes").await.exits(3).says(&format!("{left} redriven"));
    let mut ids: Vec<String> = graves
        .put_back()
        .await
        .iter()
        .map(|headers| value(headers, contracts::REDRIVE).to_owned())
        .collect();
    assert_eq!(ids.len(), back + left);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 60, "each under one id");
    assert_eq!(graves.open().await.len(), 0);
}

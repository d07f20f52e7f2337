use contracts::headers;
use kafka::Publisher;
use serde_json::{Value, json};
use testkit::Sandbox;
use uuid::Uuid;

use crate::books::Books;
use crate::{output, run};

const STUCK: [&str; 2] = ["orders", "stuck"];

fn id() -> Uuid {
    Uuid::now_v7()
}

#[tokio::test]
async fn who_is_done_or_not_yet_late_is_not_stuck() {
    let books = Books::new().await;
    books.ask(&STUCK).await.exits(0).says("No order hangs.");

    let (done, undone, late) = (id(), id(), id());
    let sent = json!({"status": "sent"});
    books.order(done, "completed", None).await;
    books.states(done, ["shipped", "charged", "created"], json!({"completed": sent})).await;
    books.order(undone, "cancelled", Some("timed_out")).await;
    books.states(undone, ["released", "void", "void"], json!({"cancelled": sent})).await;
    books.order(late, "placed", None).await;
    books.ask(&[&STUCK[..], &["--older-than", "11m"]].concat()).await.exits(0);
    books.ask(&STUCK).await.exits(1).says(&late.to_string()).says("1 order does not go on");

    let one =
        |order: Uuid| ["orders".to_owned(), "stuck".into(), "--order".into(), order.to_string()];
    let ask = async |order| books.ask(&one(order).each_ref().map(String::as_str)).await;
    ask(done).await.exits(0).says("Nothing is awaited for this order.");
    ask(late).await.exits(1).says("awaits OrderPlaced from order");
    ask(id()).await.exits(1).says("no such order");
}

#[tokio::test]
async fn the_first_are_told_of_and_the_rest_is_counted() {
    let books = Books::new().await;
    let orders = [id(), id(), id()];
    for order in orders {
        books.order(order, "placed", None).await;
    }
    let told = books.ask(&[&STUCK[..], &["--limit", "1"]].concat()).await.exits(1);
    assert!(!told.output.contains(&orders[1].to_string()), "{}", told.output);
    told.says("3 orders do not go on:")
        .says("  3 × inventory awaits OrderPlaced from order since ")
        .says(&orders[2].to_string())
        .says("2 of them are not shown");
}

#[tokio::test]
async fn an_event_that_fails_again_and_again_is_told_with_its_error() {
    let books = Books::new().await;
    let order = id();
    books.order(order, "placed", None).await;
    books.states(order, ["reserved", "awaiting_stock", "awaiting_confirmation"], json!({})).await;
    for (offset, attempts) in [(7, 3), (8, 0)] {
        let parked = format!(
            "INSERT INTO retry_queue (topic, partition, record_offset, saga, header_names,
               header_values, attempts, due_at, first_failed_at, errors)
             VALUES ('t', 0, {offset}, '{order}', '{{ce_id,ce_type}}',
               ARRAY['x', 'StockReserved']::bytea[], {attempts}, now() + interval '1 minute',
               now(), '{{first,no such column}}')"
        );
        books.write("payment", &parked).await;
    }
    books
        .ask(&STUCK)
        .await
        .exits(1)
        .says("  payment      awaits StockReserved from inventory")
        .says("parked: StockReserved, tried 3 times, again in ")
        .says("1 more behind it: no such column")
        .says("no instance of payment is running: start one")
        .says(&format!("farandole dlq list --order {order}"));
}

#[tokio::test]
async fn a_call_without_an_outcome_holds_up_a_compensation() {
    let books = Books::new().await;
    let order = id();
    books.order(order, "cancelled", Some("timed_out")).await;
    let messages = json!({"cancelled": {"status": "sent"}});
    books.states(order, ["released", "–", "void"], messages).await;
    let done = id();
    let charging = format!(
        r#"INSERT INTO payments (saga, version, emitted, last_bundle, state)
           VALUES ('{order}', 2, 0, 0, '{{"status": "charging", "cancelled": true}}');
           INSERT INTO effect_bundles (bundle_id, instance, open, attempts, due_at, last_error,
             created_at, sagas, steps, effects, correlation_ids, causation_ids, traceparents)
           VALUES (1, 1, B'01', 9, now(), 'no answer within 5s', now() - interval '10 minutes',
             '{{{done},{order}}}', '{{charge,charge}}', ARRAY['{{}}', '{{}}']::json[], '{{c,c}}',
             '{{c,c}}', '{{null,null}}');
           SELECT pg_advisory_lock(1178686031, 1)"#
    );
    let _instance = books.write("payment", &charging).await;
    let told = books.ask(&[&STUCK[..], &["--json"]].concat()).await.exits(1);
    let told: Value = serde_json::from_str(&told.output).unwrap();
    let work = &told["orders"][0]["services"][0];
    assert_eq!(told["orders"][0]["cancel_reason"], "timed_out");
    assert_eq!(work["service"], "payment");
    assert_eq!(work["instances"], 1);
    assert_eq!(work["awaits"], json!([{"kind": "call", "step": "charge"}]));
    assert_eq!(work["calls"][0]["attempts"], 9);
    books
        .ask(&STUCK)
        .await
        .says("cancelled: timed_out for 10m")
        .says("call: charge for 10m")
        .says("tried 9 times, again now: no answer within 5s")
        .says(&format!("idempotency key {order}/charge"));

    // What an operator has parked waits for the operator.
    books.write("payment", "UPDATE effect_bundles SET held = 'parked'").await;
    books.ask(&STUCK).await.exits(0).says("1 order waits for what was discarded, acknowledged or");
    let one = order.to_string();
    let one = [&STUCK[..], &["--order", &one]].concat();
    books.ask(&one).await.exits(1).says(&format!("farandole calls unpark {order}/charge"));
}

#[tokio::test]
async fn what_was_not_published_or_is_lost_is_told() {
    let books = Books::new().await;
    let (unsaid, lost) = (id(), id());
    books.order(unsaid, "placed", None).await;
    let outbox = format!(
        "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, sagas, sequences,
           event_types, times, correlation_ids, causation_ids, traceparents, payloads, follows)
         VALUES (1, 1, ARRAY[gen_random_uuid()], ARRAY['{unsaid}'::uuid], '{{1}}',
           '{{OrderPlaced}}', ARRAY[now()], '{{c}}', '{{c}}', '{{NULL}}', '{{\"\"}}', '{{NULL}}')"
    );
    books.write("order", &outbox).await;
    books.order(lost, "confirmed", None).await;
    let messages = json!({"confirmed": {"status": "sent"}});
    books.states(lost, ["reserved", "charged", "awaiting_confirmation"], messages).await;
    let gap = format!(
        "INSERT INTO gaps (saga, source, sequence, partition, verdict)
         VALUES ('{lost}', '/order', 2, 0, 'lost')"
    );
    books.write("shipping", &gap).await;
    books
        .ask(&STUCK)
        .await
        .exits(1)
        .says("not published: OrderPlaced")
        .says("order has not published OrderPlaced yet")
        .says("missing: number 2 of /order")
        .says("an event of order is lost: farandole gaps --service shipping");
}

#[tokio::test]
async fn the_newest_dead_letter_of_an_awaited_event_is_to_be_redriven() {
    let books = Books::new().await;
    books.sandbox.create_topics(&["payment"], 1).await;
    let order = id();
    books.order(order, "placed", None).await;
    books.states(order, ["reserved", "awaiting_stock", "awaiting_confirmation"], json!({})).await;
    let publisher = Publisher::new(&books.sandbox.stack.kafka_brokers).unwrap();
    let topic = books.sandbox.topics.dead_letters("payment");
    for (key, event_type) in [
        (order, "StockReserved"),
        (order, "OrderPlaced"),
        (order, "StockReserved"),
        (id(), "StockReserved"),
    ] {
        let headers = [
            (headers::TYPE, event_type.to_owned()),
            ("farandole_dead_errors", r#"["first", "last"]"#.to_owned()),
        ];
        publisher.publish(&topic, key.to_string().as_bytes(), b"", &headers).await.unwrap();
    }
    let told = books.ask(&STUCK).await.exits(1);
    assert!(!told.output.contains("payment/0/0"), "{}", told.output);
    told.says("dead letter: StockReserved, payment/0/2: last")
        .says("farandole dlq redrive payment/0/2");
}

/// As when somebody else writes events, or the order service's database was restored.
#[tokio::test]
async fn orders_that_nobody_has_placed_are_told_with_what_was_done_for_them() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    // Ids begin with the time: it was placed two hours ago.
    let now = Uuid::now_v7().as_u128();
    let orphan = Uuid::from_u128(now - ((2 * 3_600 * 1_000) << 80));
    let undone = Uuid::from_u128(now - ((3_600 * 1_000) << 80));
    books.states(orphan, ["reserved", "charged", "–"], json!({})).await;
    books.states(undone, ["released", "refunded", "void"], json!({})).await;
    let told = books.ask(&STUCK).await.exits(1);
    assert!(!told.output.contains(&undone.to_string()), "{}", told.output);
    told.says("1 unknown to the order service")
        .says(&format!("{orphan} (inventory reserved, payment charged, notification known)"));
    let audit = books.ask(&["audit"]).await.exits(1);
    audit.says(&format!("has order {orphan} (reserved), which was never placed"));
    let orphan = orphan.to_string();
    books
        .ask(&["orders", "show", &orphan])
        .await
        .exits(0)
        .says("is unknown to the order service")
        .says("  inventory    reserved")
        .says("  payment      charged");
    books.ask(&["orders", "show", &id().to_string()]).await.exits(1).says("Nobody knows order");
}

#[tokio::test]
async fn old_orders_are_looked_at_if_anything_of_them_is_open() {
    let books = Books::new().await;
    let old = Uuid::from_u128(Uuid::now_v7().as_u128() - ((48 * 3_600 * 1_000) << 80));
    books.order(old, "placed", None).await;
    books.ask(&STUCK).await.exits(0).says("No order hangs.");
    books.ask(&[&STUCK[..], &["--placed-within", "3d"]].concat()).await.exits(1);
    let gap = format!(
        "INSERT INTO gaps (saga, source, sequence, partition) VALUES ('{old}', '/order', 1, 0)"
    );
    books.write("inventory", &gap).await;
    books.ask(&STUCK).await.exits(1).says(&old.to_string());
}

#[tokio::test]
async fn what_lapsed_lately_is_told_with_what_it_waited_for() {
    let books = Books::new().await;
    for (inventory, payment) in [("void", "void"), ("void", "–"), ("released", "void")] {
        let order = id();
        books.order(order, "cancelled", Some("timed_out")).await;
        let messages = json!({"cancelled": {"status": "sent"}});
        books.states(order, [inventory, payment, "void"], messages).await;
    }
    books.write("order", "UPDATE orders SET updated_at = now()").await;
    books.ask(&STUCK).await.says(
        "Cancelled as timed_out in the last 10 min: 3; they waited for: inventory 2, payment 1.",
    );
}

#[tokio::test]
async fn without_kafka_the_databases_still_tell() {
    let books = Books::new().await;
    books.order(id(), "placed", None).await;
    let away = [&STUCK[..], &["--kafka-brokers", "127.0.0.1:9"]].concat();
    books
        .ask(&away)
        .await
        .exits(1)
        .says("cannot tell which events are dead letters")
        .says("awaits OrderPlaced from order");
}

#[tokio::test]
async fn without_a_service_that_is_not_there_yet_the_others_are_told_of() {
    let books = Books::new().await;
    books.order(id(), "placed", None).await;
    let nowhere = books.sandbox.stack.postgres_url("not-there-yet");
    for payment in [None, Some(nowhere.as_str())] {
        let mut command = books.command(&STUCK);
        match payment {
            None => command.env_remove("PAYMENT_DATABASE_URL"),
            Some(url) => command.env("PAYMENT_DATABASE_URL", url),
        };
        let run = output(command).await.says("the payment service's database");
        run.says("awaits OrderPlaced from order");
    }
}

#[tokio::test]
async fn the_database_of_the_service_that_begins_is_needed() {
    let sandbox = Sandbox::new();
    run(&sandbox, &STUCK).await.exits(3).says("set ORDER_DATABASE_URL");
    run(&sandbox, &[&STUCK[..], &["--older-than", "soon"]].concat())
        .await
        .exits(2)
        .says("60s, 10m");
}

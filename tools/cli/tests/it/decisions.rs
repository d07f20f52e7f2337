//! What an operator has decided is known everywhere.

use contracts::dead_letter_headers as dead;
use contracts::headers;
use kafka::{PlainRecord, Publisher};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::books::Books;

/// An order whose first event from the order service payment could not process, and whose second it
/// has read.
async fn with_a_dead_event() -> (Books, Uuid, String) {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = Uuid::now_v7();
    let gap = format!(
        "INSERT INTO gaps (saga, source, sequence, partition, verdict)
         VALUES ('{order}', '/order', 1, 0, 'dead')"
    );
    books.write("payment", &gap).await;
    bury(&books, order, 17).await;
    let open = books.ask(&["dlq", "list", "--group-by", "none", "--json"]).await.exits(0);
    let open: Value = serde_json::from_str(&open.output).unwrap();
    let letter = open["letters"][0]["letter"].as_str().unwrap().to_owned();
    (books, order, letter)
}

/// What payment could not process, from this offset.
async fn bury(books: &Books, order: Uuid, offset: u32) {
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let topics = &books.sandbox.topics;
    let record = PlainRecord {
        topic: topics.dead_letters("payment"),
        key: value(&order.to_string()),
        payload: None,
        headers: vec![
            (headers::TYPE.to_owned(), value("OrderPlaced")),
            (headers::SOURCE.to_owned(), value("/order")),
            (headers::SUBJECT.to_owned(), value(&order.to_string())),
            (headers::SEQUENCE.to_owned(), value("1")),
            (dead::ERRORS.to_owned(), value(&json!(["no such column"]).to_string())),
            (dead::GROUP.to_owned(), value(&topics.group("payment"))),
            (dead::TOPIC.to_owned(), value(&topics.events("order"))),
            (dead::PARTITION.to_owned(), value("0")),
            (dead::OFFSET.to_owned(), value(&offset.to_string())),
        ],
    };
    let publisher = Publisher::new(&books.sandbox.stack.kafka_brokers).unwrap();
    publisher.publish_all(&[record]).await.unwrap();
}

#[tokio::test]
async fn what_is_discarded_is_missed_by_nobody_until_that_is_taken_back() {
    let (books, order, letter) = with_a_dead_event().await;
    let order = order.to_string();
    books.ask(&["gaps"]).await.exits(1).says("given up");
    books.ask(&["audit"]).await.exits(4).says("misses event 1");

    let dry = ["dlq", "discard", &letter, "--reason", "a test", "--dry-run"];
    books.ask(&dry).await.exits(0).says("would be discarded");
    books.ask(&["gaps"]).await.exits(1);
    books.ask(&dry[..5]).await.exits(0).says(&format!("farandole dlq undiscard {letter}"));
    books.ask(&["gaps"]).await.exits(0).says("No event is missing.");
    books.ask(&["audit"]).await.exits(0);
    let shown = books.ask(&["orders", "show", &order]).await;
    shown.says("(discarded): no such column");

    let back = ["dlq", "undiscard", &letter, "--reason", "it was none"];
    books.ask(&back).await.exits(0).says("1 dead letter open again");
    books.ask(&["gaps"]).await.exits(1).says("given up");
    books.ask(&["audit"]).await.exits(4).says("misses event 1");
    books.ask(&["dlq", "list"]).await.exits(0).says("1 dead letter is open");
    books.ask(&back).await.exits(1).says("it is open");
    books.ask(&["dlq", "log"]).await.exits(0).says("undiscard").says("it was none");
}

#[tokio::test]
async fn an_event_that_was_given_up_can_be_acknowledged() {
    let (books, order, _) = with_a_dead_event().await;
    let order = order.to_string();
    let acknowledge = ["gaps", "acknowledge", &order, "/order", "1", "--reason", "seen to"];
    books.ask(&acknowledge).await.exits(0).says("Acknowledged.");
    books.ask(&["gaps"]).await.exits(0);
    // The letter itself is open still.
    books.ask(&["audit"]).await.exits(4).says("dead-letters").says("1 open");
    books.ask(&["audit", "--allow-dead-letters"]).await.exits(0);
}

#[tokio::test]
async fn an_order_that_waits_for_what_was_discarded_is_set_apart() {
    let (books, order, letter) = with_a_dead_event().await;
    books.order(order, "placed", None).await;
    books.states(order, ["reserved", "–", "awaiting_confirmation"], json!({})).await;
    books.write("payment", "DELETE FROM gaps").await;
    let stuck = ["orders", "stuck"];
    books.ask(&stuck).await.exits(1).says("payment awaits OrderPlaced from order");
    // Only what it waits for first counts.
    let discard = ["dlq", "discard", &letter, "--reason", "a test"];
    books.ask(&discard).await.exits(0);
    let told = books.ask(&stuck).await;
    assert!(!told.output.contains("awaits OrderPlaced"), "{}", told.output);
    assert!(!told.output.contains("farandole dlq redrive"), "{}", told.output);
}

#[tokio::test]
async fn a_question_is_answered_and_a_reason_given() {
    let (books, _, letter) = with_a_dead_event().await;
    for reason in ["", "  ", "\t"] {
        let discard = ["dlq", "discard", &letter, "--reason", reason];
        books.ask(&discard).await.exits(2).says("it must not be empty");
    }
    let by_nobody = ["dlq", "discard", &letter, "--reason", "a test", "--by", ""];
    books.ask(&by_nobody).await.exits(2);
    for words in ["show nope/0/1", "discard nope/0/1 --reason x", "redrive nope/0/1"] {
        let words: Vec<&str> = words.split(' ').collect();
        books.ask(&[&["dlq"], &words[..]].concat()).await.exits(2).says("there is no such service");
    }
    bury(&books, Uuid::now_v7(), 18).await;
    for words in ["redrive --all-open", "discard --all-open --reason x"] {
        let words: Vec<&str> = words.split(' ').collect();
        books.ask(&[&["dlq"], &words[..]].concat()).await.exits(2).says("add --yes");
    }
    books.ask(&["dlq", "list"]).await.exits(0).says("2 dead letters are open");
}

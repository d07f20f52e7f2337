//! What holds for every command that looks: it comes back, whatever is locked, and says what it
//! could not see; it cannot be misaddressed without saying so; what comes from outside cannot do
//! anything to a terminal; and a reader that goes away, or a full disk, is no panic.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use contracts::dead_letter_headers as dead;
use contracts::headers;
use declarations::SERVICES;
use futures::future::join_all;
use kafka::{PlainRecord, Publisher};
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::books::Books;
use crate::{Run, output, program};

/// The looks that read databases.
fn looks(order: Uuid) -> Vec<Vec<String>> {
    let order = order.to_string();
    let looks: [&[&str]; 6] = [
        &["status"],
        &["orders", "stuck"],
        &["orders", "show", &order],
        &["retries", "list"],
        &["gaps"],
        &["audit"],
    ];
    looks.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

fn command(books: &Books, words: &[String]) -> Command {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = program(&books.sandbox, &words);
    for service in SERVICES {
        let variable = format!("{}_DATABASE_URL", service.to_uppercase());
        command.env(variable, books.sandbox.database_url(service));
        // Nobody listens there.
        command.env(format!("{}_URL", service.to_uppercase()), "http://127.0.0.1:9");
    }
    command
}

/// A run whose output goes where it was told.
async fn ended(mut command: Command) -> Run {
    let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    Run { status: ended.status, output: String::new(), errors }
}

async fn ask(books: &Books, words: &[String]) -> Run {
    output(command(books, words)).await
}

#[tokio::test]
async fn whatever_is_locked_a_look_comes_back_and_says_who_locked_it() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = Uuid::now_v7();
    books.order(order, "placed", None).await;
    for (service, table) in [
        ("inventory", "stock"),
        ("inventory", "reservations"),
        ("order", "orders"),
        ("payment", "retry_queue"),
        ("shipping", "gaps"),
        ("notification", "outbox_bundles"),
        ("payment", "effect_bundles"),
    ] {
        let lock = format!("BEGIN; LOCK TABLE {table}");
        let holder = books.write(service, &lock).await;
        // What lasts no longer than a transaction of the services is no news.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let runs = looks(order).into_iter().map(|words| {
            let books = &books;
            async move {
                let began = Instant::now();
                let run = ask(books, &words).await;
                (words[0].clone(), run, began.elapsed())
            }
        });
        for (look, run, took) in join_all(runs).await {
            let limit = if look == "status" { 4 } else { 25 };
            assert!(took < Duration::from_secs(limit), "{look} took {took:?} with {table} locked");
            let code = run.status.code().unwrap();
            assert!([0, 1, 3].contains(&code), "{look}: {code}\n{}\n{}", run.output, run.errors);
            if ["status", "audit"].contains(&look.as_str()) {
                assert_ne!(code, 0, "{look} with {table} locked");
                run.says(&format!("table {table} is locked by session"))
                    .says("idle in transaction for")
                    .says("127.0.0.1:");
            }
        }
        drop(holder);
    }
}

#[tokio::test]
async fn who_is_misaddressed_says_so() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let empty = books.sandbox.database("nobody").await;
    for words in looks(Uuid::now_v7()) {
        let asked = async |url: &str| {
            let mut command = command(&books, &words);
            command.env("ORDER_DATABASE_URL", url);
            output(command).await
        };
        let other = asked(&books.sandbox.database_url("payment")).await;
        let is_status = words[0] == "status";
        // Nobody answers, which is worse.
        other.exits(if is_status { 1 } else { 3 }).says("is the payment service's database");
        let nobodys = asked(&empty).await;
        nobodys.exits(if is_status { 1 } else { 3 }).says("no service's tables are there");
        let nonsense = asked("s3cret-nonsense").await.exits(2).says("ORDER_DATABASE_URL");
        assert!(!nonsense.errors.contains("s3cret"), "{}", nonsense.errors);
    }
    for words in ["dlq list", "audit", "dlq log"] {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let mut command = command(&books, &words);
        command.env("TOPIC_PREFIX", "elsewhere.");
        output(command).await.exits(3).says("TOPIC_PREFIX");
    }
}

/// It ends lines, clears the screen, turns text round, and is not seen.
const HOSTILE: &str = "a\n  FORGED line\r\x1b[2J\x1b]0;x\x07\u{202e}b\u{200b}\u{85}\u{feff}";

/// Hostile text wherever it can come from outside.
async fn haunted() -> (Books, Uuid) {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = Uuid::now_v7();
    books.order(order, "cancelled", Some("timed_out")).await;
    let text = HOSTILE.replace('\'', "''");
    let retry = format!(
        "INSERT INTO retry_queue (topic, partition, record_offset, saga, header_names,
           header_values, attempts, due_at, first_failed_at, last_failed_at, errors)
         VALUES ('{text}', 0, 1, '{order}', '{{ce_type}}', ARRAY[convert_to('{text}', 'UTF8')], 3,
           now(), now() - interval '1 hour', now(), ARRAY['{text}']);
         INSERT INTO gaps (saga, source, sequence, partition, verdict)
           VALUES ('{order}', '{text}', 1, 0, 'lost');
         INSERT INTO effect_bundles (bundle_id, instance, open, attempts, due_at, last_error,
           created_at, sagas, steps, effects, correlation_ids, causation_ids, traceparents)
         VALUES (1, 1, B'1', 9, now(), '{text}', now() - interval '1 hour', '{{{order}}}',
           ARRAY['{text}'], ARRAY['{{}}']::json[], '{{c}}', '{{c}}', '{{null}}')"
    );
    for service in ["payment", "shipping"] {
        books.write(service, &retry).await;
    }
    let state = json!({ "status": HOSTILE }).to_string();
    let reservation = format!(
        "INSERT INTO reservations (saga, version, emitted, last_bundle, state)
         VALUES ('{order}', 1, 0, 0, '{state}')"
    );
    books.write("inventory", &reservation).await;
    let publisher = Publisher::new(&books.sandbox.stack.kafka_brokers).unwrap();
    let topics = &books.sandbox.topics;
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let odd = vec![
        (headers::TYPE.to_owned(), value(HOSTILE)),
        (headers::SOURCE.to_owned(), value(HOSTILE)),
        (headers::SUBJECT.to_owned(), value(&order.to_string())),
        (headers::SEQUENCE.to_owned(), value(HOSTILE)),
        ("x\x1b[31m\u{202e}".to_owned(), value(HOSTILE)),
        (dead::ERRORS.to_owned(), value(&json!([HOSTILE]).to_string())),
        (dead::GROUP.to_owned(), value(HOSTILE)),
        (dead::TOPIC.to_owned(), value(HOSTILE)),
        (dead::PARTITION.to_owned(), value("0")),
        (dead::OFFSET.to_owned(), value("1")),
        (dead::FIRST_FAILED_AT.to_owned(), value(HOSTILE)),
    ];
    for topic in [topics.dead_letters("payment"), topics.events("order")] {
        for key in [HOSTILE.to_owned(), order.to_string()] {
            let record = PlainRecord {
                topic: topic.clone(),
                key: value(&key),
                payload: value(HOSTILE),
                headers: odd.clone(),
            };
            publisher.publish_all(&[record]).await.unwrap();
        }
    }
    (books, order)
}

fn all_looks(order: Uuid, letter: &str) -> Vec<Vec<String>> {
    let mut all = looks(order);
    for words in [
        "dlq list",
        "dlq list --group-by none",
        &format!("dlq show {letter}"),
        &format!("dlq redrive {letter}"),
        "dlq log",
        "events tail --from-start --no-follow",
        "topics create --check",
        "schemas register --check",
    ] {
        all.push(words.split(' ').map(str::to_owned).collect());
    }
    all
}

#[tokio::test]
async fn hostile_text_is_read_and_does_nothing() {
    let (books, order) = haunted().await;
    let list = ["dlq", "list", "--group-by", "none", "--json"].map(str::to_owned);
    let open: Value = serde_json::from_str(&ask(&books, &list).await.output).unwrap();
    let letter = open["letters"][0]["letter"].as_str().unwrap().to_owned();
    let discard = ["dlq", "discard", &letter, "--reason", HOSTILE, "--by", HOSTILE];
    ask(&books, &discard.map(str::to_owned)).await.exits(0);
    for words in all_looks(order, &letter) {
        let run = ask(&books, &words).await;
        for text in [&run.output, &run.errors] {
            let harmful = |c: &char| {
                c.is_control() && *c != '\n' || ['\u{202e}', '\u{200b}', '\u{feff}'].contains(c)
            };
            let found = text.chars().find(harmful);
            assert!(found.is_none(), "{words:?}: {found:?}\n{}", text.escape_debug());
            let forged = text.lines().find(|line| line.starts_with("  FORGED"));
            assert!(forged.is_none(), "{words:?} prints a line that somebody else wrote\n{text}");
        }
        if words[0] == "events" {
            continue;
        }
        let as_json = [words.clone(), vec!["--json".to_owned()]].concat();
        let run = ask(&books, &as_json).await;
        let read: Result<Value, _> = serde_json::from_str(&run.output);
        assert!(read.is_ok(), "{words:?} as JSON: {}\n{}", run.output, run.errors);
        assert!(!run.output.contains('\u{202e}'), "{words:?} as JSON");
    }
}

#[tokio::test]
async fn nobody_who_reads_and_a_full_disk_are_no_panic() {
    let (books, order) = haunted().await;
    let letter = "payment/0/0";
    let mut all = all_looks(order, letter);
    all.extend([vec!["--help".to_owned()], vec!["completions".to_owned(), "bash".to_owned()]]);
    for words in all {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut closed = command(&books, &words);
        closed.stdout(Stdio::from(writer));
        let closed = ended(closed).await;
        let code = closed.status.code();
        assert!(code.is_some_and(|code| code <= 4), "{words:?}: {code:?}\n{}", closed.errors);
        assert!(!closed.errors.contains("panicked"), "{words:?}: {}", closed.errors);
        assert!(!closed.errors.contains("written"), "{words:?}: {}", closed.errors);

        let mut full = command(&books, &words);
        full.stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
        let full = ended(full).await;
        // A letter that is not there gives no output.
        if full.status.code() != Some(1) || !full.errors.contains("there is no") {
            full.exits(3).says("the output cannot be written");
        }
    }
}

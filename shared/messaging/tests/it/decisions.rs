//! What operators decide reaches the service by the log, and is carried out once.

use contracts::operations::{Began, Decided, Done, Ended, Entry, Handled, Kind, Number, Said};
use contracts::{Topics, operations};
use jiff::Timestamp;
use kafka::{Admin, PlainRecord, Publisher, TopicPlan};
use kernel::SagaKey;
use testkit::eventually;
use uuid::Uuid;

use crate::gateway::Mood;
use crate::letter::{Letter, new_orders};
use crate::stage::{PATIENCE, Stage};
use crate::tally::{Action, KEPT, TALLY, UNDONE};

/// An operator, with a log to write to.
struct Operator<'s> {
    stage: &'s Stage,
    publisher: Publisher,
}

impl<'s> Operator<'s> {
    async fn new(stage: &'s Stage) -> Self {
        create_log(stage).await;
        Self { stage, publisher: Publisher::new(&stage.sandbox.stack.kafka_brokers).unwrap() }
    }

    async fn write(&self, entry: &Entry) {
        let key = entry.operation().unwrap().to_string();
        self.write_raw(key.as_bytes(), &serde_json::to_vec(entry).unwrap()).await;
    }

    async fn write_raw(&self, key: &[u8], payload: &[u8]) {
        let record = PlainRecord {
            topic: self.stage.sandbox.topics.operations(),
            key: Some(key.to_vec()),
            payload: Some(payload.to_vec()),
            headers: vec![],
        };
        self.publisher.publish_all(&[record]).await.unwrap();
    }

    /// Decides something, as the tool does. Returns the operation.
    async fn decide(&self, kind: Kind, saga: SagaKey, step: &str, said: Option<Said>) -> Uuid {
        let operation = self.begin(kind).await;
        let subjects = vec![operations::Subject { saga, step: step.to_owned() }];
        let service = TALLY.to_owned();
        let decided = Decided { operation, at: Timestamp::now(), service, subjects, said };
        self.write(&Entry::Decided(decided)).await;
        let outcome = "handed over".to_owned();
        self.write(&Entry::Ended(Ended { operation, at: Timestamp::now(), outcome })).await;
        operation
    }

    async fn begin(&self, kind: Kind) -> Uuid {
        let operation = Uuid::now_v7();
        self.write(&Entry::Began(Began {
            operation,
            kind,
            at: Timestamp::now(),
            by: "ada@desk".to_owned(),
            reason: Some("a test".to_owned()),
            asked_for: "it".to_owned(),
            letters: 1,
        }))
        .await;
        operation
    }

    /// Waits until a decision is dealt with, and returns why it was refused, if it was.
    async fn fate(&self, operation: Uuid) -> Option<String> {
        let select = "SELECT refused FROM decisions WHERE operation = $1";
        eventually("the decision is dealt with", PATIENCE, async || {
            let row = sqlx::query_scalar(select).bind(operation);
            row.fetch_optional(&self.stage.pool).await.unwrap()
        })
        .await
    }

    async fn done(&self, kind: Kind, saga: SagaKey, said: Option<Said>) {
        let operation = self.decide(kind, saga, "ask", said).await;
        assert_eq!(self.fate(operation).await, None, "{kind:?}");
    }

    async fn refused(&self, kind: Kind, saga: SagaKey, step: &str, said: Option<Said>) -> String {
        let operation = self.decide(kind, saga, step, said).await;
        self.fate(operation).await.expect("it is refused")
    }
}

async fn create_log(stage: &Stage) {
    let log = TopicPlan {
        name: stage.sandbox.topics.operations(),
        partitions: 1,
        replication: 1,
        retention: None,
        large_records: false,
    };
    Admin::new(&stage.sandbox.stack.kafka_brokers).unwrap().create(&[log]).await.unwrap();
}

fn answered(id: &str) -> Said {
    let details = [("id".to_owned(), id.to_owned())].into();
    Said { outcome: "answered".to_owned(), details }
}

async fn ask(stage: &Stage, saga: SagaKey, action: Action) {
    stage.send(&[Letter::new(stage.ids, saga, 1, action)]).await;
    stage.until_count(&format!("effects WHERE saga = '{}'", saga.0), 1).await;
}

async fn answers(stage: &Stage, saga: SagaKey) -> Vec<String> {
    stage.states().await.remove(&saga).unwrap_or_default().answers
}

#[tokio::test]
async fn what_is_parked_is_not_called_until_it_is_unparked() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let [parked, other] = new_orders(2)[..] else { unreachable!() };
    stage.gateway.set(Mood::HangUp);
    let (one, two) = tokio::join!(stage.start(), stage.start());
    ask(&stage, parked, Action::Ask).await;
    ask(&stage, other, Action::Ask).await;
    operator.done(Kind::Park, parked, None).await;
    let key = format!("{parked}/ask");
    let calls = || stage.gateway.calls().keys.iter().filter(|call| **call == key).count();
    // A try that was under way may still have been made.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let before = calls();
    let elsewhere = stage.gateway.calls().keys.len();
    stage.gateway.set(Mood::Answer);
    stage.until_count("effect_bundles WHERE held = 'parked'", 1).await;
    stage.until_count("effect_bundles WHERE held IS NULL", 0).await;
    assert!(stage.gateway.calls().keys.len() > elsewhere, "the other goes on");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(calls(), before, "neither instance calls it");
    assert!(operator.refused(Kind::Park, parked, "ask", None).await.contains("parked already"));
    assert!(operator.refused(Kind::Retry, parked, "ask", None).await.contains("unpark"));

    operator.done(Kind::Unpark, parked, None).await;
    stage.until_done(2).await;
    one.stop().await;
    two.stop().await;
    assert_eq!(answers(&stage, parked).await, [format!("answer to {key}")]);
}

#[tokio::test]
async fn what_an_operator_says_has_become_of_a_call_is_its_outcome() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let sagas = new_orders(3);
    stage.gateway.set(Mood::Wait);
    let (one, two) = tokio::join!(stage.start(), stage.start());
    for saga in &sagas {
        ask(&stage, *saga, Action::Ask).await;
    }
    // Under way, put off, and parked.
    operator.done(Kind::Settle, sagas[0], Some(answered("by phone"))).await;
    assert_eq!(answers(&stage, sagas[0]).await, ["by phone"]);
    stage.gateway.set(Mood::HangUp);
    stage.until_count("effects WHERE attempts > 2", 2).await;
    operator.done(Kind::Settle, sagas[1], Some(answered("by fax"))).await;
    operator.done(Kind::Park, sagas[2], None).await;

    let unknown = Some(Said { outcome: "charged".to_owned(), details: [].into() });
    let why = operator.refused(Kind::Settle, sagas[2], "ask", unknown).await;
    assert!(why.contains("answered --id ANSWER"), "{why}");
    let incomplete = Some(Said { outcome: "answered".to_owned(), details: [].into() });
    assert!(operator.refused(Kind::Settle, sagas[2], "ask", incomplete).await.contains("--id"));
    let panics = Some(Said { outcome: "panic".to_owned(), details: [].into() });
    assert!(operator.refused(Kind::Settle, sagas[2], "ask", panics).await.contains("panicked"));
    assert!(operator.refused(Kind::Settle, sagas[2], "ask", None).await.contains("what"));

    operator.done(Kind::Settle, sagas[2], Some(answered("by letter"))).await;
    let late = operator.refused(Kind::Settle, sagas[2], "ask", Some(answered("again"))).await;
    assert!(late.contains("not open"), "{late}");
    let unheard = operator.refused(Kind::Settle, sagas[2], "sing", Some(answered("la"))).await;
    assert!(unheard.contains("not open"), "{unheard}");
    stage.until_done(3).await;
    one.stop().await;
    two.stop().await;
    let said: Vec<String> =
        [answers(&stage, sagas[1]).await, answers(&stage, sagas[2]).await].concat();
    assert_eq!(said, ["by fax", "by letter"]);
}

#[tokio::test]
async fn what_was_given_up_is_kept_and_made_again() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let [saga, forgotten] = new_orders(2)[..] else { unreachable!() };
    stage.gateway.set(Mood::HangUp);
    let instance = stage.start().await;
    stage.send(&[saga, forgotten].map(|it| Letter::new(stage.ids, it, 1, Action::AskOrKeep))).await;
    let given_up = "effects WHERE held = 'given_up' AND last_error LIKE '%hung up%'";
    stage.until_count(given_up, 2).await;
    assert_eq!(answers(&stage, saga).await, [KEPT], "it is told at once");
    let calls = stage.gateway.calls().keys.len();
    assert!(operator.refused(Kind::Park, saga, "ask", None).await.contains("given up"));

    // Given up again, with the tries of this round.
    operator.done(Kind::Retry, saga, None).await;
    stage.until_count("effects WHERE held = 'given_up'", 2).await;
    eventually("it is told again", PATIENCE, async || {
        (answers(&stage, saga).await == [KEPT, KEPT]).then_some(())
    })
    .await;
    assert!(stage.gateway.calls().keys.len() > calls);

    stage.gateway.set(Mood::Answer);
    operator.done(Kind::Retry, saga, None).await;
    operator.done(Kind::Settle, forgotten, Some(answered("never mind"))).await;
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(answers(&stage, saga).await, [KEPT, KEPT, &format!("answer to {saga}/ask")]);
    assert_eq!(answers(&stage, forgotten).await, [KEPT, "never mind"]);
}

#[tokio::test]
async fn a_retry_does_not_wait_for_the_backoff() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let saga = new_orders(1)[0];
    stage.gateway.set(Mood::HangUp);
    let instance = stage.start().await;
    ask(&stage, saga, Action::Ask).await;
    stage.until_count("effects WHERE attempts > 2", 1).await;
    let postponed = "UPDATE effect_bundles SET due_at = now() + interval '1 hour'
                     WHERE instance IS NOT NULL";
    // It may be on its way into memory for one more try.
    eventually("it is put off for an hour", PATIENCE, async || {
        stage.execute(postponed).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let far = "effects WHERE due_at > now() + interval '50 minutes'";
        (stage.count(far).await == 1).then_some(())
    })
    .await;
    stage.gateway.set(Mood::Answer);
    operator.done(Kind::Retry, saga, None).await;
    stage.until_done(1).await;
    instance.stop().await;
}

#[tokio::test]
async fn an_order_that_nobody_knows_is_undone_once() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let [unknown, known] = new_orders(2)[..] else { unreachable!() };
    let (one, two) = tokio::join!(stage.start(), stage.start());
    stage.send(&[Letter::new(stage.ids, known, 1, Action::Count)]).await;
    stage.until_done(1).await;
    let undone = operator.decide(Kind::Undo, unknown, "", None).await;
    assert_eq!(operator.fate(undone).await, None);
    assert!(operator.refused(Kind::Undo, known, "", None).await.contains("known"));
    one.stop().await;
    two.stop().await;
    assert_eq!(answers(&stage, unknown).await, [UNDONE]);

    // The next one reads the log from its beginning.
    let instance = stage.start().await;
    instance.reports.until_heard().await;
    instance.stop().await;
    assert_eq!(answers(&stage, unknown).await, [UNDONE]);
}

#[tokio::test]
async fn what_stays_missing_is_acknowledged_before_or_after_it_is_missed() {
    let stage = Stage::set_narrow().await;
    let operator = Operator::new(&stage).await;
    let [early, late] = new_orders(2)[..] else { unreachable!() };
    let numbered =
        |saga, number| Letter::new(stage.ids, saga, number, Action::Count).with_sequence(number);
    let instance = stage.start().await;
    let acknowledge = async |saga: SagaKey, sequence: i32| {
        let operation = operator.begin(Kind::Acknowledge).await;
        let event = Number { saga, source: "/upstream".to_owned(), sequence };
        let at = Timestamp::now();
        let entry = operations::Acknowledged { operation, at, event };
        operator.write(&Entry::Acknowledged(entry)).await;
    };
    acknowledge(early, 2).await;
    stage.send(&[numbered(early, 1), numbered(early, 3)]).await;
    stage.send(&[numbered(late, 1), numbered(late, 4)]).await;
    let lost = "gaps WHERE verdict = 'lost'";
    stage.until_count("gaps WHERE verdict = 'acknowledged'", 1).await;
    stage.until_count(lost, 2).await;
    acknowledge(late, 2).await;
    stage.until_count(lost, 1).await;

    // A letter that is discarded, of this service and of another.
    let operation = operator.begin(Kind::Discard).await;
    let handled = |letter: &str, sequence| Handled {
        letter: letter.parse().unwrap(),
        redrive: Uuid::now_v7(),
        event: Some(Number { saga: late, source: "/upstream".to_owned(), sequence }),
    };
    let of_another = vec![handled("gardening/0/7", 3)];
    operator
        .write(&Entry::Done(Done { operation, at: Timestamp::now(), letters: of_another }))
        .await;
    let own = vec![handled(&format!("{TALLY}/0/7"), 3)];
    assert_eq!(stage.count(lost).await, 1);
    operator.write(&Entry::Done(Done { operation, at: Timestamp::now(), letters: own })).await;
    stage.until_count(lost, 0).await;
    stage.until_count("gaps WHERE verdict = 'acknowledged'", 3).await;
    let operation = operator.begin(Kind::Undiscard).await;
    let own = vec![handled(&format!("{TALLY}/0/7"), 3)];
    operator.write(&Entry::Done(Done { operation, at: Timestamp::now(), letters: own })).await;
    stage.until_count(lost, 1).await;
    // When it comes after all, nothing is missing.
    stage.send(&[numbered(late, 2)]).await;
    stage.until_count("gaps WHERE verdict = 'acknowledged'", 1).await;
    instance.stop().await;
}

#[tokio::test]
async fn what_the_tool_did_not_write_says_nothing() {
    let stage = Stage::set().await;
    let operator = Operator::new(&stage).await;
    let saga = new_orders(1)[0];
    stage.gateway.set(Mood::HangUp);
    let instance = stage.start().await;
    ask(&stage, saga, Action::Ask).await;
    let subject = operations::Subject { saga, step: "ask".to_owned() };
    let decided = |operation, service: &str| {
        Entry::Decided(Decided {
            operation,
            at: Timestamp::now(),
            service: service.to_owned(),
            subjects: vec![subject.clone()],
            said: Some(answered("by a stranger")),
        })
    };
    operator.write(&decided(Uuid::now_v7(), TALLY)).await;
    let begun = operator.begin(Kind::Settle).await;
    operator.write(&decided(begun, "gardening")).await;
    let own = serde_json::to_vec(&decided(begun, TALLY)).unwrap();
    operator.write_raw(b"another key", &own).await;
    let nested = "[".repeat(100_000);
    for garbage in [&b"\xff\xfe"[..], b"", b"{}", br#"{"entry":"blessed"}"#, nested.as_bytes()] {
        operator.write_raw(b"k", garbage).await;
    }
    // What comes after that is heard.
    operator.done(Kind::Settle, saga, Some(answered("by ada"))).await;
    stage.until_done(1).await;
    instance.stop().await;
    assert_eq!(answers(&stage, saga).await, ["by ada"]);
    assert_eq!(stage.count("decisions").await, 1);
}

#[tokio::test]
async fn without_a_log_the_service_works_and_says_so_until_there_is_one() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    let instance = stage.start().await;
    let why = instance.reports.until_not_heard().await;
    let log = Topics::operations(&stage.sandbox.topics);
    assert_eq!(why, format!("topic {log} does not exist"));
    stage.send(&[Letter::new(stage.ids, saga, 1, Action::Ask)]).await;
    stage.until_done(1).await;
    let operator = Operator::new(&stage).await;
    instance.reports.until_heard().await;
    operator.refused(Kind::Park, saga, "ask", None).await;
    instance.stop().await;
}

use serde_json::Value;
use uuid::Uuid;

use crate::books::Books;
use crate::run;

/// Three charges: one that is tried again and again, one that is parked, one that was given up.
async fn charges(books: &Books) -> [String; 3] {
    let orders = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    let held = ["NULL", "'parked'", "'given_up'"];
    for ((order, held), bundle) in orders.iter().zip(held).zip(1..) {
        let row = format!(
            r#"INSERT INTO effect_bundles (bundle_id, instance, open, attempts, due_at, last_error,
                 held, destination, created_at, sagas, steps, effects, correlation_ids,
                 causation_ids, traceparents)
               VALUES ({bundle}, 1, B'1', 9, now() + interval '1 minute', E'no \x1b[31manswer',
                 {held}, 'visa', now() - interval '{bundle} hours', '{{{order}}}', '{{charge}}',
                 ARRAY['{{"effect": "charge", "payment_method": "pm_card_visa",
                          "recipient": {{"name": "Ada"}}}}']::json[],
                 '{{c}}', '{{c}}', '{{null}}')"#
        );
        books.write("payment", &row).await;
    }
    orders.map(|order| format!("{order}/charge"))
}

#[tokio::test]
async fn calls_are_listed_by_what_they_are() {
    let books = Books::new().await;
    books.ask(&["calls", "list"]).await.exits(0).says("No call that fits is open.");
    let [open, parked, given_up] = charges(&books).await;
    let listed = books.ask(&["calls", "list"]).await.exits(1);
    assert!(!listed.output.contains('\u{1b}'), "{}", listed.output);
    listed
        .says(&format!("{open}  open "))
        .says(&format!("{parked}  parked "))
        .says(&format!("{given_up}  given up "))
        .says("3 calls.")
        .says("1 given up: farandole calls retry");
    let only = async |filter: &str| {
        let list = ["calls", "list"].into_iter().chain(filter.split(' ')).collect::<Vec<_>>();
        let listed = books.ask(&list).await;
        [&open, &parked, &given_up].map(|call| listed.output.contains(&**call))
    };
    assert_eq!(only("--given-up").await, [false, false, true]);
    assert_eq!(only("--parked --step charge").await, [false, true, false]);
    assert_eq!(only("--older-than 90m --destination visa").await, [false, true, true]);
    assert_eq!(only("--step refund").await, [false; 3]);
    assert_eq!(only("--service shipping").await, [false; 3]);
    let told = books.ask(&["calls", "list", "--json", "--limit", "1"]).await.exits(1);
    let told: Value = serde_json::from_str(&told.output).unwrap();
    assert_eq!((&told["calls"][0]["held"], &told["more"]), (&"given_up".into(), &2.into()));

    let shown = books.ask(&["calls", "show", &given_up]).await.exits(0);
    assert!(!shown.output.contains("Ada"), "{}", shown.output);
    shown.says("state        given up").says("pm_card_visa").says("tries        9");
    let none = format!("{}/charge", Uuid::nil());
    books.ask(&["calls", "show", &none]).await.exits(1).says("not open");
    let unset = run(&books.sandbox, &["calls", "list", "--step", "charge"]).await;
    unset.exits(3).says("PAYMENT_DATABASE_URL");
}

#[tokio::test]
async fn a_decision_needs_a_call_a_reason_and_a_service() {
    let books = Books::new().await;
    let [open, parked, given_up] = charges(&books).await;
    let ask = async |words: &[&str]| books.ask(&[&["calls"], words].concat()).await;
    let reason = ["--reason", "INC-1", "--by", "ada"];
    ask(&["park", &open]).await.exits(2).says("--reason");
    ask(&["park", &open, "--reason", " "]).await.exits(2).says("must not be empty");
    ask(&[&["retry"], &reason[..]].concat()).await.exits(2).says("name the calls");
    ask(&[&["retry", &open, "--parked"], &reason[..]].concat()).await.exits(2).says("name the");
    ask(&[&["park", &open], &reason[..]].concat()).await.exits(2).says("add --yes");
    ask(&[&["park", "once/upon"], &reason[..]].concat()).await.exits(2).says("ORDER/STEP");
    let melt = format!("{}/melt", Uuid::nil());
    ask(&[&["park", &melt], &reason[..]].concat()).await.exits(1).says("the steps are charge");
    let settle = [&["settle", &open, "--outcome", "charged"], &reason[..]].concat();
    ask(&[&settle[..], &["--dry-run"]].concat()).await.exits(0).says("Would say: charged.");
    let would = [&["retry", "--step", "charge", "--dry-run"], &reason[..]].concat();
    let would = ask(&would).await.exits(0).says("Would retry 2 calls.");
    assert!(would.output.contains(&given_up) && !would.output.contains(&parked));

    // Nothing of that was said to anybody.
    let reason = [&reason[..], &["--yes"]].concat();
    ask(&[&["park", &open], &reason[..]].concat()).await.exits(3).says("farandole.operations");
    books.sandbox.prepare_fleet().await;
    let parked = ask(&[&["park", &open], &reason[..]].concat()).await.exits(1);
    parked.says("no payment service runs");
    books.ask(&["dlq", "log"]).await.exits(0).says("park").says("ada").says("1 of 1");
}

use serde_json::Value;
use uuid::Uuid;

use crate::books::Books;
use crate::run;

#[tokio::test]
async fn missing_numbers_are_listed_with_what_to_do() {
    let books = Books::new().await;
    books.ask(&["gaps"]).await.exits(0).says("No event is missing.");
    let order = Uuid::now_v7();
    let gaps = format!(
        "INSERT INTO gaps (saga, source, sequence, partition, verdict, noticed_at) VALUES
           ('{order}', '/order', 1, 0, 'lost', now() - interval '1 hour'),
           ('{order}', '/inventory', 2, 0, 'waiting', now()),
           ('{order}', '/inventory', 1, 0, 'dead', now())"
    );
    books.write("payment", &gaps).await;
    books
        .ask(&["gaps"])
        .await
        .exits(1)
        .says(&format!(
            "payment  {order}  /order      1         1h   lost: the topic does not have it"
        ))
        .says("3 events are missing: payment 1 not found yet, payment 1 given up, payment 1 lost.")
        .says("orders show ORDER")
        .says("dlq list --service SERVICE --order ORDER");
    books.ask(&["gaps", "--service", "shipping"]).await.exits(0);
    let told = books.ask(&["gaps", "--service", "payment", "--json"]).await.exits(1);
    let told: Value = serde_json::from_str(&told.output).unwrap();
    // The newest trouble first.
    assert_eq!(told["gaps"][2]["verdict"], "lost");
    assert_eq!(told["more"], 0);

    // Without its topic, the log of operations has acknowledged nothing.
    books.ask(&["gaps"]).await.exits(1).says("farandole.operations does not exist");
    let one = run(&books.sandbox, &["gaps", "--service", "payment"]).await;
    one.exits(3).says("set PAYMENT_DATABASE_URL");
    run(&books.sandbox, &["gaps", "--service", "gardening"]).await.exits(2);
}

#[tokio::test]
async fn what_is_acknowledged_is_missed_no_more() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = Uuid::now_v7();
    let gaps = format!(
        "INSERT INTO gaps (saga, source, sequence, partition, verdict) VALUES
           ('{order}', '/order', 1, 0, 'lost'), ('{order}', '/order', 2, 0, 'lost'),
           ('{order}', '/order', 4, 0, 'dead'), ('{order}', '/order', 5, 0, 'acknowledged')"
    );
    books.write("shipping", &gaps).await;
    let order = order.to_string();
    let acknowledge = async |sequence: &str| {
        let number = ["gaps", "acknowledge", &order, "/order", sequence];
        books.ask(&[&number[..], &["--by", "ada", "--reason", "by hand"]].concat()).await
    };
    acknowledge("3").await.exits(1).says("No service has found");
    acknowledge("1").await.exits(0).says("Acknowledged.");
    acknowledge("4").await.exits(0);
    books.ask(&["gaps"]).await.exits(1).says("1 event is missing: shipping 1 lost.");
    books.ask(&["audit"]).await.exits(1).says("1 violation").says("misses event 2");
    acknowledge("2").await.exits(0);
    books.ask(&["gaps"]).await.exits(0).says("No event is missing.");
    books.ask(&["audit"]).await.exits(0);
    let log = books.ask(&["dlq", "log"]).await.exits(0);
    log.says("acknowledge").says("ada").says("1 of 1").says("by hand");
}

use crate::books::Books;

#[tokio::test]
async fn the_exit_code_tells_what_is_violated_from_what_is_under_way() {
    let books = Books::new().await;
    books.world.prepare_fleet().await;
    books.ask(&["audit"]).await.exits(0).says("0 orders, 0 events");

    let gap = "INSERT INTO gaps (order_id, source, sequence, partition)
         VALUES (gen_random_uuid(), '/payment', 1, 0)";
    books.write("order", gap).await;
    books.ask(&["audit"]).await.exits(4).says("1 open").says("farandole gaps");
    books.ask(&["audit", "--invariants-only"]).await.exits(0);

    books.write("order", "UPDATE gaps SET verdict = 'lost'").await;
    books.ask(&["audit"]).await.exits(1).says("1 violation").says("order misses event 1");
    // It does not wait for what rest would not mend.
    books.ask(&["audit", "--wait", "600"]).await.exits(1);

    let nowhere = ["audit", "--payment-database-url", "postgres://nobody@127.0.0.1:9/none"];
    books.ask(&nowhere).await.exits(3).says("payment");
}

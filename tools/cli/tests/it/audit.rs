use crate::books::Books;

#[tokio::test]
async fn the_exit_code_tells_what_is_violated_from_what_is_under_way() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    books.ask(&["audit"]).await.exits(0).says("0 orders, 0 events");

    let gap = "INSERT INTO gaps (saga, source, sequence, partition)
         VALUES (gen_random_uuid(), '/payment', 1, 0)";
    books.write("order", gap).await;
    books.ask(&["audit"]).await.exits(4).says("1 open").says("farandole gaps");
    books.ask(&["audit", "--invariants-only"]).await.exits(0);

    books.write("order", "UPDATE gaps SET verdict = 'lost'").await;
    books.ask(&["audit"]).await.exits(1).says("1 violation").says("order misses event 1");
    // It does not wait for what rest would not mend.
    books.ask(&["audit", "--wait", "600"]).await.exits(1);

    // What was found goes first; what could not be looked at is told all the same.
    let nowhere = ["audit", "--payment-database-url", "postgres://nobody@127.0.0.1:9/none"];
    books.ask(&nowhere).await.exits(1).says("Not checked: payment");
    books.write("order", "DELETE FROM gaps").await;
    books.ask(&nowhere).await.exits(3).says("Not checked: payment");
}

/// JSON takes characters that Postgres itself cannot tell, and whoever can write events can send them.
#[tokio::test]
async fn no_rows_content_ends_the_audit() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = uuid::Uuid::now_v7();
    for text in ["A\\u0000da", "half \\ud800 a pair", "no escape: \\\\u0000", "\\\\\\u0000"] {
        for (service, table, state) in [
            ("inventory", "reservations", r#"{"status": "released", "lines": [{"sku": "TEXT"}]}"#),
            ("payment", "payments", r#"{"status": "void", "payment_method": "TEXT"}"#),
            ("shipping", "shipments", r#"{"status": "void", "TEXT": 1}"#),
            ("notification", "notifications", r#"{"address": {"name": "TEXT"}, "messages": {}}"#),
        ] {
            let state = state.replace("TEXT", text);
            let put = format!(
                "INSERT INTO {table} (saga, version, emitted, last_bundle, state)
                 VALUES ('{order}', 1, 0, 0, '{state}')
                 ON CONFLICT (saga) DO UPDATE SET state = excluded.state"
            );
            books.write(service, &put).await;
        }
        let audit = books.ask(&["audit"]).await.exits(1);
        audit
            .says("which was never placed")
            .says(&format!("order {order}: payment's state holds characters"));
        let order = order.to_string();
        books.ask(&["orders", "show", &order]).await.exits(0).says("  payment      void");
        books.ask(&["orders", "stuck"]).await.exits(0);
    }
}

//! What somebody locks in the database holds up what needs it, and is told.

use crate::letter::{Letter, new_orders, rounds};
use crate::stage::Stage;
use crate::tally::Action;

/// Sessions of the service that wait for a lock.
const WAITING: &str = "pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'farandole %' AND wait_event_type = 'Lock'";

#[tokio::test]
async fn a_row_that_somebody_locks_holds_up_its_own_order_only() {
    let stage = Stage::set_narrow().await;
    let sagas = new_orders(50);
    let instance = stage.start().await;
    stage.send(&rounds(stage.ids, &sagas, 1)).await;
    stage.until_done(50).await;

    let mut somebody = stage.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT * FROM tallies WHERE saga = ANY($1) FOR UPDATE");
    let locked = [sagas[7].0, sagas[30].0];
    lock.bind(locked.as_slice()).execute(&mut *somebody).await.unwrap();
    let second = |sagas: &[kernel::SagaKey]| -> Vec<Letter> {
        let letter = |saga: &kernel::SagaKey| Letter::new(stage.ids, *saga, 2, Action::Count);
        sagas.iter().map(letter).collect()
    };
    stage.send(&second(&sagas)).await;
    stage.until_count("inbox", 98).await;
    stage.until_count("retry_queue", 2).await;
    let told = instance.reports.until_told("locks", "idle in transaction").await;
    assert!(told.contains("pg_terminate_backend("), "{told}");
    // Others go on meanwhile.
    stage.send(&rounds(stage.ids, &new_orders(20), 1)).await;
    stage.until_count("inbox", 118).await;
    assert!(stage.count(WAITING).await <= 3, "no trail of sessions");

    somebody.rollback().await.unwrap();
    stage.until_done(120).await;
    instance.stop().await;
    assert_eq!(stage.numbers(sagas[7]).await, [1, 2]);
    assert_eq!(stage.dead_letters().await.len(), 0, "it was no message's fault");
}

#[tokio::test]
async fn a_table_that_somebody_locks_makes_the_service_unready_and_nothing_is_lost() {
    let stage = Stage::set_narrow().await;
    let instance = stage.start().await;
    instance.reports.until_up("processing").await;
    let mut somebody = stage.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE tallies").execute(&mut *somebody).await.unwrap();
    let letters = rounds(stage.ids, &new_orders(30), 1);
    stage.send(&letters).await;
    let reason = instance.reports.until_down("processing").await;
    assert!(reason.contains("lock timeout"), "{reason}");
    somebody.rollback().await.unwrap();
    stage.until_done(letters.len()).await;
    instance.reports.until_up("processing").await;
    instance.stop().await;
    assert_eq!(stage.dead_letters().await.len(), 0);
    stage.assert_took_effect_once(&letters).await;
}

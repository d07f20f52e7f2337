//! However an instance ends, the next one goes on: nothing is lost and nothing is doubled.

use farandole_messaging::LoopSettings;

use crate::letter::{new_orders, rounds};
use crate::stage::Stage;

/// Each kill comes after a commit whose offsets Kafka has not been told: that happens once a
/// second, and each life is shorter.
#[tokio::test]
async fn an_instance_that_is_killed_again_and_again_does_each_thing_once() {
    let stage = Stage::set().await;
    let letters = rounds(stage.ids, &new_orders(50), 60);
    stage.send(&letters).await;
    let mut read_again = 0;
    for kill in 0..5 {
        let process = stage.start_process(Some("the-one"), 20);
        stage.until_more("inbox", 500 * kill).await;
        process.kill().await;
        let processed = stage.count("inbox").await;
        assert!(processed < 3_000, "it was killed under load");
        read_again += processed - stage.committed().await;
    }
    assert!(read_again > 0, "what was processed is read again");
    let process = stage.start_process(Some("the-one"), 1_000);
    stage.until_done(letters.len()).await;
    process.stop().await;
    stage.assert_took_effect_once(&letters).await;
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_and_nothing_is_read_again() {
    let stage = Stage::set().await;
    let letters = rounds(stage.ids, &new_orders(50), 60);
    stage.send(&letters).await;
    let instance = stage.start_with(LoopSettings { batch_max: 20, ..stage.settings() }).await;
    stage.until_more("inbox", 500).await;
    instance.stop().await;
    let processed = stage.count("inbox").await;
    assert!(processed < 3_000, "it was stopped under load");
    assert_eq!(stage.committed().await, processed);
    assert_eq!(stage.count("outbox").await, 0, "all that happened has been told");
    let instance = stage.start().await;
    stage.until_done(letters.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
}

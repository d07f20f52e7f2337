//! Instances come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::letter::{Letter, new_orders};
use crate::stage::Stage;
use crate::tally::Action;

/// Sends a number to each of 60 sagas ten times a second until it is told to stop.
async fn load(stage: &Stage, stop: &AtomicBool) -> Vec<Letter> {
    let sagas = new_orders(60);
    let mut all = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    for number in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let letter = |saga| Letter::new(stage.ids, saga, number, Action::Count);
        let round: Vec<Letter> = sagas.iter().copied().map(letter).collect();
        stage.send(&round).await;
        all.extend(round);
        beat.tick().await;
    }
    all
}

/// Waits until the instance with this number has done something new.
async fn until_active(stage: &Stage, instance: i32) {
    stage.until_more(&format!("tallies WHERE last_bundle >> 32 = {instance}"), 0).await;
}

/// Instances have the numbers 1, 2, … in the order in which they start.
#[tokio::test]
async fn instances_come_and_go_under_load_and_nothing_is_lost_or_doubled() {
    let stage = Stage::set().await;
    let stop = AtomicBool::new(false);
    let coming_and_going = async {
        let first = stage.start().await;
        until_active(&stage, 1).await;
        let second = stage.start().await;
        until_active(&stage, 2).await;
        first.stop().await;
        let third = stage.start().await;
        until_active(&stage, 3).await;
        let fourth = stage.start_process(None, 1_000);
        until_active(&stage, 4).await;
        fourth.kill().await;
        stop.store(true, Ordering::SeqCst);
        [second, third]
    };
    let (letters, instances) = tokio::join!(load(&stage, &stop), coming_and_going);
    stage.until_done(letters.len()).await;
    for instance in instances {
        instance.stop().await;
    }
    stage.assert_took_effect_once(&letters).await;
}

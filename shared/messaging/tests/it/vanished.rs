//! A server that vanishes without a word: its silence looks like that of a slow one.

use std::time::{Duration, Instant};

use kernel::SagaKey;

use crate::instance::Instance;
use crate::letter::{Letter, new_orders};
use crate::proxy::Proxy;
use crate::stage::Stage;
use crate::tally::Action;

/// How soon an idle instance says so.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
/// How soon everything has been done that was sent meanwhile.
const DONE_WITHIN: Duration = Duration::from_mins(1);

fn round(stage: &Stage, sagas: &[SagaKey], number: i64) -> Vec<Letter> {
    let letter = |saga: &SagaKey| Letter::new(stage.ids, *saga, number, Action::Count);
    sagas.iter().map(letter).collect()
}

#[tokio::test]
async fn a_server_that_vanishes_is_noticed_and_nothing_is_lost() {
    let stage = Stage::set().await;
    let (_, port) = stage.sandbox.stack.postgres_server.rsplit_once(':').unwrap();
    let port = port.parse().unwrap();
    let proxy = Proxy::open(port).await;
    let url = proxy.instead_of(port, &stage.database);
    let instance = Instance::start(&url, stage.gateway.address, stage.settings()).await.unwrap();
    let sagas = new_orders(30);
    let mut all = round(&stage, &sagas, 1);
    stage.send(&all).await;
    stage.until_done(all.len()).await;

    // While there is nothing to do.
    let since = Instant::now();
    proxy.vanish();
    let reason = instance.reports.until_down("postgres").await;
    assert!(since.elapsed() < NOTICED_WITHIN, "{:?}", since.elapsed());
    assert!(reason.contains("no answer within"), "{reason}");
    instance.reports.until_up("postgres").await;

    // While records come.
    for number in 2..=20 {
        if number == 10 {
            proxy.vanish();
        }
        let letters = round(&stage, &sagas, number);
        stage.send(&letters).await;
        all.extend(letters);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let done = tokio::time::timeout(DONE_WITHIN, stage.until_done(all.len()));
    done.await.expect("all is done within a minute");
    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
}

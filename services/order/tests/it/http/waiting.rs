//! `Prefer: wait`.

use std::time::{Duration, Instant};

use reqwest::Method;
use testkit::http::{Answer, Api, send};
use testkit::{Sandbox, api};

use super::{path_of, placed, shop, stock_catalogue};

async fn get_waiting(api: &Api, path: &str, prefer: &str) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = send(api.request(Method::GET, path).header("prefer", prefer)).await;
    (answer, began.elapsed())
}

#[tokio::test]
async fn the_answer_comes_as_soon_as_the_order_is_terminal() {
    let api = shop().await.api();
    let order = placed(&api).await;
    let path = path_of(&order);
    let (waited, ()) = tokio::join!(get_waiting(&api, &path, "respond-async, wait=30"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        api.post(&format!("{path}/cancel")).await.expect(200);
    });
    let (answer, took) = waited;
    assert_eq!(answer.expect(200)["status"], "cancelled");
    assert_eq!(answer.header("preference-applied"), Some("wait=30"));
    assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&took), "{took:?}");

    let (answer, took) = get_waiting(&api, &path, "wait=30").await;
    assert_eq!(answer.expect(200)["status"], "cancelled");
    assert!(took < Duration::from_secs(10), "a terminal order is not waited for: {took:?}");
}

#[tokio::test]
async fn after_the_wait_the_answer_is_the_order_as_it_is() {
    let api = shop().await.api();
    let path = path_of(&placed(&api).await);
    let (answer, took) = get_waiting(&api, &path, "wait=1").await;
    assert_eq!(answer.expect(200)["status"], "placed");
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_preference_that_says_nothing_is_ignored() {
    let api = shop().await.api();
    let path = path_of(&placed(&api).await);
    for prefer in [
        "",
        "wait",
        "wait=soon",
        "wait=-1",
        "wait=+1",
        "handling=lenient",
        "handling=lenient; wait=30",
        "foo=\"x, wait=30, y\"",
    ] {
        let (answer, took) = get_waiting(&api, &path, prefer).await;
        answer.expect(200);
        assert_eq!(answer.header("preference-applied"), None);
        assert!(took < Duration::from_secs(10), "{prefer}: {took:?}");
    }
}

#[tokio::test]
async fn a_preference_counts_however_it_is_written() {
    let api = shop().await.api();
    let order = placed(&api).await;
    let path = path_of(&order);
    for prefer in ["Wait=1", "wait = 1", "wait=\"1\"", "respond-async;x, WAIT=1;y, wait=30"] {
        let (answer, took) = get_waiting(&api, &path, prefer).await;
        assert_eq!(answer.header("preference-applied"), Some("wait=1"), "{prefer}");
        assert_eq!(answer.header("vary"), Some("Prefer"));
        assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
    api.post(&format!("{path}/cancel")).await.expect(200);
    let (answer, _) = get_waiting(&api, &path, "wait=99999999999999999999999").await;
    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
}

#[tokio::test]
async fn a_service_that_stops_answers_who_waits() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    let service = sandbox.service("order", 1, &[]).await;
    service.start().await.unwrap();
    let api = api(&service);
    stock_catalogue(&api).await;
    let path = path_of(&placed(&api).await);
    let began = Instant::now();
    let ((answer, _), ()) = tokio::join!(get_waiting(&api, &path, "wait=60"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        service.stop().await;
    });
    assert_eq!(answer.expect(200)["status"], "placed");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

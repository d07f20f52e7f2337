//! `Prefer: wait`.

use std::time::{Duration, Instant};

use reqwest::Method;
use testkit::http::{Answer, Api, send};

use super::{path_of, placed, shop};

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
    for prefer in ["", "wait", "wait=soon", "wait=-1", "handling=lenient"] {
        let (answer, took) = get_waiting(&api, &path, prefer).await;
        answer.expect(200);
        assert_eq!(answer.header("preference-applied"), None);
        assert!(took < Duration::from_secs(10), "{prefer}: {took:?}");
    }
}

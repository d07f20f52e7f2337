//! Orders that are not paid for in time.

use testkit::eventually;
use uuid::Uuid;

use super::{path_of, placed, shop};

/// Deadlines that pass by the thousand, because their orders were paid for, hold up none that was
/// not.
#[tokio::test]
async fn an_order_is_cancelled_when_its_time_is_up_whatever_else_is_up_then() {
    let shop = shop().await;
    let (api, database) = (shop.api(), shop.database());
    let order = placed(&api).await;
    let id: Uuid = order["order_id"].as_str().unwrap().parse().unwrap();
    let pass = sqlx::query(
        "INSERT INTO deadlines
         SELECT now() - interval '1 hour', number, ARRAY[gen_random_uuid()]
         FROM generate_series(1, 2500) AS number
         UNION ALL SELECT now() - interval '1 minute', 0, ARRAY[$1::uuid]",
    );
    pass.bind(id).execute(&database).await.unwrap();
    let cancelled = || async {
        let order = api.get(&path_of(&order)).await.expect(200);
        (order["status"] == "cancelled").then_some(order)
    };
    let order = eventually("the order is cancelled", super::SOON, cancelled).await;
    assert_eq!(order["cancel_reason"], "timed_out");
    let forgotten = || async {
        let left = "SELECT count(*) FROM deadlines WHERE deadline_at < now()";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&database).await.unwrap();
        (left == 0).then_some(())
    };
    eventually("what has passed is forgotten", super::SOON, forgotten).await;
}

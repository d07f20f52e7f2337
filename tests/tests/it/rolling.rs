//! Every instance of every service is replaced while customers order, and no order suffers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cli::audit_at_rest;
use stack::Part;
use stack::fleet::SERVICES;
use testkit::http::{Api, order};
use testkit::{Sandbox, api, eventually};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::{STRICT, targets};
use crate::test_fleet::{PATIENCE, TestFleet};

pub(crate) const ORDERS_PER_SECOND: u32 = 20;
/// Longer than any restart, so that no order can be late because of one.
pub(crate) const ENVIRONMENT: [(&str, &str); 1] = [("ORDER_DEADLINE_S", "60")];

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_fails_no_order() {
    let fleet = TestFleet::start(Sandbox::new(), &ENVIRONMENT).await;
    fleet.sell("tambourin", 1_000_000).await;
    let mut seconds = Vec::new();
    for service in SERVICES {
        let second = fleet.sandbox.service(service, 2, &ENVIRONMENT).await;
        second.start().await.unwrap();
        seconds.push(second);
    }
    let balancer = Balancer::default();
    balancer.admit(fleet.fleet.service("order"));
    balancer.admit(&seconds[0]);
    let customers = Customers::start(balancer.clone());

    for (service, second) in SERVICES.into_iter().zip(&seconds) {
        for instance in [fleet.fleet.service(service), second] {
            if service == "order" {
                balancer.dismiss(instance).await;
            }
            instance.stop().await;
            instance.start().await.unwrap();
            if service == "order" {
                balancer.admit(instance);
            }
            customers.until_further(ORDERS_PER_SECOND).await;
        }
    }

    let orders = customers.stop().await;
    println!("{} orders during ten restarts", orders.len());
    for id in orders {
        assert_eq!(fleet.settled(id).await["status"], "completed");
    }
    let audited = audit_at_rest(&targets(&fleet.sandbox), &STRICT, PATIENCE, |_| {}).await.unwrap();
    assert_eq!([audited.violations(), audited.not_at_rest()].concat(), [""; 0]);
}

/// Leads each request to one of the instances that are open, in turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balancer(Arc<Mutex<Vec<Instance>>>);

/// Each request under way has a clone of the address.
#[derive(Debug, Clone)]
struct Instance {
    port: u16,
    api: Arc<Api>,
}

impl Balancer {
    pub(crate) fn admit(&self, part: &Part) {
        let instance = Instance { port: part.port(), api: Arc::new(api(part)) };
        self.0.lock().unwrap().push(instance);
    }

    /// Leads nobody there any more, and waits for the requests that are under way.
    pub(crate) async fn dismiss(&self, part: &Part) {
        let instance = {
            let mut open = self.0.lock().unwrap();
            let at = open.iter().position(|instance| instance.port == part.port()).unwrap();
            open.remove(at)
        };
        eventually("all requests are answered", PATIENCE, async || {
            (Arc::strong_count(&instance.api) == 1).then_some(())
        })
        .await;
    }

    fn next(&self) -> Arc<Api> {
        let mut open = self.0.lock().unwrap();
        open.rotate_left(1);
        open[0].api.clone()
    }
}

/// Orders at a steady rate. Each is sent once, and must be taken.
pub(crate) struct Customers {
    stop: CancellationToken,
    placed: Arc<Mutex<Vec<Uuid>>>,
    sending: JoinHandle<()>,
}

impl Customers {
    pub(crate) fn start(balancer: Balancer) -> Self {
        let (stop, placed) = (CancellationToken::new(), Arc::default());
        let sending = tokio::spawn(send_all(balancer, stop.clone(), Arc::clone(&placed)));
        Self { stop, placed, sending }
    }

    /// Waits until so many more orders have been taken.
    pub(crate) async fn until_further(&self, orders: u32) {
        let count = || self.placed.lock().unwrap().len();
        let wanted = count() + usize::try_from(orders).unwrap();
        let placed = async || (count() >= wanted).then_some(());
        eventually("orders are taken", PATIENCE, placed).await;
    }

    /// The orders that were placed.
    pub(crate) async fn stop(self) -> Vec<Uuid> {
        self.stop.cancel();
        self.sending.await.unwrap();
        self.placed.lock().unwrap().clone()
    }
}

async fn send_all(balancer: Balancer, stop: CancellationToken, placed: Arc<Mutex<Vec<Uuid>>>) {
    let mut customers = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / ORDERS_PER_SECOND);
    for number in 0.. {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let (api, placed) = (balancer.next(), placed.clone());
        customers.spawn(async move {
            let answer = api.place(&format!("order-{number}"), &order("tambourin", 1)).await;
            let id = answer.expect(201)["order_id"].as_str().unwrap().parse().unwrap();
            placed.lock().unwrap().push(id);
        });
        while let Some(done) = customers.try_join_next() {
            done.unwrap();
        }
    }
    customers.join_all().await;
}

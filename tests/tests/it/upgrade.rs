//! Every instance of every service is replaced by one of the next release while customers order, and
//! then by one of the release before again; and no order suffers.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cli::audit_at_rest;
use reqwest::Method;
use serde_json::json;
use stack::Part;
use stack::fleet::{FleetOptions, SERVICES, instance};
use testkit::http::send;
use testkit::{Sandbox, api, programs};
use tokio::process::Command;

use crate::audit::{STRICT, targets};
use crate::rolling::{Balancer, Customers, ENVIRONMENT, ORDERS_PER_SECOND};
use crate::test_fleet::PATIENCE;

/// Takes the requests, and so is led away from before it is replaced.
const FRONT: &str = SERVICES[0];

/// Two instances of each service, each of one of two releases.
struct Upgrade {
    sandbox: Sandbox,
    instances: BTreeMap<(&'static str, u32), Part>,
    balancer: Balancer,
}

impl Upgrade {
    /// Replaces an instance by one of these programs, as a rolling upgrade does.
    async fn replace(&mut self, name: &'static str, number: u32, programs: &Path) {
        if let Some(before) = self.instances.remove(&(name, number)) {
            if name == FRONT {
                self.balancer.dismiss(&before).await;
            }
            before.stop().await;
        }
        let sandbox = &self.sandbox;
        let options = FleetOptions { programs: programs.to_owned(), ..sandbox.fleet(&ENVIRONMENT) };
        let part = instance(&sandbox.stack, &options, name, number, None).unwrap();
        part.start().await.unwrap();
        if name == FRONT {
            self.balancer.admit(&part);
        }
        self.instances.insert((name, number), part);
    }

    /// One after the other, with orders in between.
    async fn replace_all(
        &mut self,
        names: &[&'static str],
        programs: &Path,
        customers: &Customers,
    ) {
        for name in names {
            for number in [1, 2] {
                self.replace(name, number, programs).await;
                customers.until_further(ORDERS_PER_SECOND).await;
            }
        }
    }

    /// Puts a product for sale.
    async fn sell(&self, sku: &str) {
        let product = json!({"name": sku, "unit_price": {"amount": 250, "currency": "EUR"}});
        let front = api(&self.instances[&(FRONT, 1)]);
        front.put(&format!("/products/{sku}"), &product).await.expect(201);
        let stock = api(&self.instances[&("inventory", 1)]);
        stock.put(&format!("/stock/{sku}"), &json!({"on_hand": 1_000_000})).await.expect(200);
    }

    /// Has a release read all of the topics again, beside the running fleet.
    async fn replay(&self, name: &str, programs: &Path) {
        let stack = &self.sandbox.stack;
        let mut replay = Command::new(programs.join(name));
        replay.args(["replay", "--from", "1h", "--rate", "0"]);
        replay.env("KAFKA_BROKERS", &stack.kafka_brokers);
        replay.env("SCHEMA_REGISTRY_URL", &stack.schema_registry_url);
        replay.env("DATABASE_URL", self.sandbox.database_url(name));
        replay.env("TOPIC_PREFIX", &self.sandbox.prefix);
        let output = replay.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        assert!(output.status.success(), "{name}: {}", said.concat());
    }

    /// In how many forms, by their fields, the event that begins an order has come.
    async fn forms(&self) -> usize {
        let events = self.sandbox.events().await;
        let begins = &declarations::fleet().first().1.event;
        let first = events.iter().filter(|it| it.envelope.event_type == *begins);
        let fields = first.map(|it| it.payload.as_object().unwrap().keys().collect::<Vec<_>>());
        fields.collect::<BTreeSet<_>>().len()
    }
}

/// Between the two releases the event that begins an order gets a next version with a field more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs of a release before in FARANDOLE_OLD_PROGRAMS: make scaffold-check has some"]
async fn an_upgrade_under_load_and_the_way_back_lose_nothing() {
    let old: PathBuf = env::var_os("FARANDOLE_OLD_PROGRAMS").expect("the programs").into();
    let new = programs();
    let names: Vec<&str> = SERVICES.into_iter().filter(|name| old.join(name).exists()).collect();
    let (sandbox, balancer) = (Sandbox::new(), Balancer::default());
    sandbox.prepare_fleet().await;
    for name in SERVICES {
        sandbox.database(name).await;
    }
    let mut upgrade = Upgrade { sandbox, instances: BTreeMap::new(), balancer: balancer.clone() };
    for name in &names {
        for number in [1, 2] {
            upgrade.replace(name, number, &old).await;
        }
    }
    upgrade.sell("tambourin").await;
    let customers = Customers::start(balancer);
    customers.until_further(ORDERS_PER_SECOND).await;

    // Readers first and the writer last, and the other way round: both orders must work.
    let readers_first: Vec<&str> = names.iter().rev().copied().collect();
    upgrade.replace_all(&readers_first, &new, &customers).await;
    upgrade.replace_all(&names, &old, &customers).await;
    upgrade.replace_all(&names, &new, &customers).await;

    let orders = customers.stop().await;
    println!("{} orders during {} replacements", orders.len(), 6 * names.len());
    let front = api(&upgrade.instances[&(FRONT, 1)]);
    for id in orders {
        let order =
            front.request(Method::GET, &format!("/orders/{id}")).header("prefer", "wait=60");
        assert_eq!(send(order).await.expect(200)["status"], "completed");
    }
    assert_eq!(upgrade.forms().await, 2, "both versions were written");
    for name in &names {
        for programs in [&old, &new] {
            upgrade.replay(name, programs).await;
        }
    }
    let services_of_both = names.len() == SERVICES.len();
    let targets = targets(&upgrade.sandbox);
    if services_of_both {
        let audited = audit_at_rest(&targets, &STRICT, PATIENCE, |_| {}).await.unwrap();
        assert_eq!([audited.violations(), audited.not_at_rest()].concat(), [""; 0]);
    }
    assert!(upgrade.sandbox.dead_letters().await.is_empty(), "nothing was given up");
}

//! A second opinion on the books of a fleet at rest, independent of the operator's audit: what must
//! always hold, checked plainly over everything that is there. It can leave out what an outsider did.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kafka::ReadEvent;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use stack::fleet::SERVICES;
use testkit::Sandbox;
use uuid::Uuid;

use crate::architecture::reads;

/// Everything the services have written down and said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    /// Of each order its status, and why it was cancelled.
    orders: BTreeMap<Uuid, (String, Option<String>)>,
    /// Of each order the states of the other services.
    reservations: BTreeMap<Uuid, Value>,
    payments: BTreeMap<Uuid, Value>,
    shipments: BTreeMap<Uuid, Value>,
    stock: BTreeMap<String, Level>,
    /// By service: the events whose effect is in its database.
    inboxes: BTreeMap<&'static str, BTreeSet<Uuid>>,
    /// What is still under way: by service and table, the orders.
    under_way: BTreeSet<(&'static str, &'static str, Uuid)>,
    /// Events that a service has missed: the verdicts, by service.
    gaps: Vec<(&'static str, String)>,
    events: Vec<ReadEvent>,
    /// Records that are no events, where only events should be.
    unreadable: usize,
    dead_letters: usize,
}

/// Pieces of a SKU.
#[derive(Debug, Clone, Default)]
struct Level {
    available: i64,
    reserved: i64,
    shipped: i64,
    received: i64,
}

impl Books {
    /// Reads all books of a fleet.
    pub(crate) async fn open(sandbox: &Sandbox) -> Self {
        let mut books = Self::default();
        for service in SERVICES {
            let database = Sandbox::pool(&sandbox.database_url(service));
            books.read_loop_tables(service, &database).await;
            match service {
                "order" => books.orders = orders(&database).await,
                "inventory" => {
                    books.reservations = states(&database, "reservations").await;
                    books.stock = stock(&database).await;
                }
                "payment" => books.payments = states(&database, "payments").await,
                "shipping" => books.shipments = states(&database, "shipments").await,
                _ => {}
            }
        }
        // Last: what was said meanwhile shows as unread, and the fleet as not at rest.
        for record in sandbox.event_records().await {
            match record.event {
                Ok(event) => books.events.push(event),
                Err(_) => books.unreadable += 1,
            }
        }
        books.dead_letters = sandbox.dead_letters().await.len();
        books
    }

    async fn read_loop_tables(&mut self, service: &'static str, database: &PgPool) {
        let gaps = sqlx::query_scalar("SELECT verdict FROM gaps").fetch_all(database);
        self.gaps.extend(gaps.await.unwrap().into_iter().map(|verdict| (service, verdict)));
        let seen = sqlx::query_scalar("SELECT event_id FROM inbox").fetch_all(database);
        self.inboxes.insert(service, seen.await.unwrap().into_iter().collect());
        // Nothing waits for a call that was given up.
        let open = "effects WHERE held IS DISTINCT FROM 'given_up'";
        for (table, rows) in
            [("outbox", "outbox"), ("effects", open), ("retry_queue", "retry_queue")]
        {
            let select = format!("SELECT coalesce(saga, gen_random_uuid()) FROM {rows}");
            let orders = sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(database);
            let orders: Vec<Uuid> = orders.await.unwrap();
            self.under_way.extend(orders.into_iter().map(|order| (service, table, order)));
        }
    }

    /// Whether nothing is in flight but the calls for these orders, whose outcome nobody knows.
    pub(crate) fn at_rest(&self, unknowable: &HashSet<Uuid>) -> bool {
        self.in_flight(unknowable).is_empty()
    }

    /// What is in flight, but for the calls for these orders.
    pub(crate) fn in_flight(&self, unknowable: &HashSet<Uuid>) -> Vec<String> {
        let decided = |status: &str| status == "completed" || status == "cancelled";
        let undecided = self.orders.iter().filter(|(_, (status, _))| !decided(status));
        let mut found: Vec<String> =
            undecided.map(|(order, (status, _))| format!("{order} is {status}")).collect();
        let known = |(_, table, order): &&(&str, &str, Uuid)| {
            *table == "effects" && unknowable.contains(order)
        };
        let under_way = self.under_way.iter().filter(|it| !known(it));
        found
            .extend(under_way.map(|(service, table, order)| format!("{order}: {service} {table}")));
        let waiting = self.gaps.iter().filter(|(_, verdict)| verdict == "waiting");
        found.extend(waiting.map(|(service, _)| format!("{service} misses an event")));
        found.extend(self.unread().into_iter().map(|(service, event)| {
            format!("{service} has not read {}", event.envelope.event_type)
        }));
        found
    }

    /// Leaves out what somebody else has brought in: what was said of these orders, what is no
    /// event, and the dead letters. Whoever brings the one accounts for the other.
    pub(crate) fn without(mut self, strangers: &HashSet<Uuid>) -> Self {
        let told = self.events.iter().filter(|it| strangers.contains(&it.envelope.saga.0));
        let ids: BTreeSet<Uuid> = told.map(|event| event.envelope.id).collect();
        self.events.retain(|event| !ids.contains(&event.envelope.id));
        self.inboxes.values_mut().for_each(|inbox| inbox.retain(|id| !ids.contains(id)));
        (self.unreadable, self.dead_letters) = (0, 0);
        self
    }

    /// Events that a service reads and has not read, by its inbox.
    fn unread(&self) -> Vec<(&'static str, &ReadEvent)> {
        let mut unread = Vec::new();
        for (service, types) in reads() {
            let inbox = self.inboxes.get(service);
            let read = |event: &&ReadEvent| types.contains(&event.envelope.event_type.as_str());
            let seen = |event: &&ReadEvent| inbox.is_some_and(|it| it.contains(&event.envelope.id));
            let not_seen = self.events.iter().filter(read).filter(|event| !seen(event));
            unread.extend(not_seen.map(|event| (service, event)));
        }
        unread
    }

    /// What does not hold of a fleet at rest.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.check_stock(&mut found);
        for (order, (status, _)) in &self.orders {
            self.check_order(*order, status, &mut found);
        }
        self.check_events(&mut found);
        self.check_numbers(&mut found);
        for (service, verdict) in &self.gaps {
            found.push(format!("{service} misses an event: {verdict}"));
        }
        if self.unreadable > 0 {
            found.push(format!("{} records are no events", self.unreadable));
        }
        if self.dead_letters > 0 {
            found.push(format!("{} dead letters", self.dead_letters));
        }
        found
    }

    /// I1: no piece is lost or made up, and each that is not available has an order.
    fn check_stock(&self, found: &mut Vec<String>) {
        for (sku, Level { available, reserved, shipped, received }) in &self.stock {
            if available + reserved + shipped != *received {
                found.push(format!("I1: {sku}: {available} + {reserved} + {shipped} ≠ {received}"));
            }
            if [available, reserved, shipped].into_iter().any(|pieces| *pieces < 0) {
                found.push(format!("I1: {sku}: less than nothing"));
            }
            for (status, pieces) in [("reserved", reserved), ("shipped", shipped)] {
                let held = self.held(sku, status);
                if held != *pieces {
                    found.push(format!("I1: {sku}: {pieces} {status}, but {held} for orders"));
                }
            }
        }
    }

    /// The pieces of a SKU in reservations of this status.
    fn held(&self, sku: &str, status: &str) -> i64 {
        let reservations = self.reservations.values().filter(|it| it["status"] == status);
        let lines = reservations.flat_map(|it| it["lines"].as_array().into_iter().flatten());
        let pieces = lines.filter(|line| line["sku"] == sku).map(|line| &line["quantity"]);
        pieces.filter_map(Value::as_i64).sum()
    }

    /// I3, I4, and what an order at rest has come to in each service.
    fn check_order(&self, order: Uuid, status: &str, found: &mut Vec<String>) {
        let of = |states: &BTreeMap<Uuid, Value>| {
            states.get(&order).and_then(|state| state["status"].as_str()).unwrap_or("–").to_owned()
        };
        let reservation = of(&self.reservations);
        let (payment, shipment) = (of(&self.payments), of(&self.shipments));
        let fits = match status {
            "completed" => {
                (reservation.as_str(), payment.as_str(), shipment.as_str())
                    == ("shipped", "charged", "created")
            }
            "cancelled" => {
                ["rejected", "released", "void"].contains(&reservation.as_str())
                    && ["void", "failed", "refunded", "charging"].contains(&payment.as_str())
                    && ["void", "failed"].contains(&shipment.as_str())
            }
            _ => false,
        };
        // A charge whose outcome is not known is followed for as long as it takes.
        let followed = self.under_way.contains(&("payment", "effects", order));
        if !fits || (payment == "charging" && !followed) {
            found.push(format!("{order} is {status}, but {reservation}, {payment}, {shipment}"));
        }
    }

    /// I2, I5, I6, I7: facts happen once, exclude each other, and every reader has read them.
    fn check_events(&self, found: &mut Vec<String>) {
        let mut ids = HashSet::new();
        let mut facts = HashSet::new();
        // The relay may publish an event again after a crash; the id is the same.
        for event in self.events.iter().filter(|event| ids.insert(event.envelope.id)) {
            let (order, event_type) = (event.envelope.saga.0, event.envelope.event_type.as_str());
            if !facts.insert((
                order,
                event_type,
                event.payload.get("outcome").map(Value::to_string),
            )) {
                found.push(format!("I2, I5: {event_type} of {order} happened twice"));
            }
        }
        let has = |order, event_type| facts.contains(&(order, event_type, None));
        for (order, (status, _)) in &self.orders {
            if has(*order, "OrderCompleted") && has(*order, "OrderCancelled") {
                found.push(format!("I6: {order} was completed and cancelled"));
            }
            let said = if status == "completed" { "OrderCompleted" } else { "OrderCancelled" };
            if !has(*order, said) {
                found.push(format!("I6: {order} is {status}, and nobody was told"));
            }
            if has(*order, "PaymentRefunded") && !has(*order, "PaymentCharged") {
                found.push(format!("I3: {order} was refunded and never charged"));
            }
        }
        found.extend(self.unread().into_iter().map(|(service, event)| {
            format!("I7: {service} has not read {}", event.envelope.event_type)
        }));
        for (service, inbox) in &self.inboxes {
            let unheard = inbox.iter().filter(|id| !ids.contains(id)).count();
            if unheard > 0 {
                found.push(format!("I7: {service} has read {unheard} events that were not said"));
            }
        }
    }

    /// Each order's events from one service are numbered from 1 without gaps, and come like that.
    fn check_numbers(&self, found: &mut Vec<String>) {
        let mut ids = HashSet::new();
        let mut numbers = BTreeMap::<(Uuid, &str), u32>::new();
        for event in self.events.iter().filter(|event| ids.insert(event.envelope.id)) {
            let envelope = &event.envelope;
            let last = numbers.entry((envelope.saga.0, &envelope.source)).or_default();
            *last += 1;
            if envelope.sequence != *last {
                let (number, order, source) = (envelope.sequence, envelope.saga, &envelope.source);
                found.push(format!("number {number} of {order} from {source} comes as {last}."));
            }
        }
    }

    /// How many orders there are.
    pub(crate) fn orders(&self) -> usize {
        self.orders.len()
    }

    /// How many orders there are, and how they ended.
    pub(crate) fn summary(&self) -> BTreeMap<String, usize> {
        let mut summary = BTreeMap::new();
        for (status, reason) in self.orders.values() {
            *summary.entry(reason.as_ref().unwrap_or(status).clone()).or_default() += 1;
        }
        summary
    }

    /// Whether this order is here.
    pub(crate) fn knows(&self, order: Uuid) -> bool {
        self.orders.contains_key(&order)
    }
}

async fn orders(database: &PgPool) -> BTreeMap<Uuid, (String, Option<String>)> {
    let orders = sqlx::query_as("SELECT saga, status, cancel_reason FROM orders");
    let orders: Vec<(Uuid, String, Option<String>)> = orders.fetch_all(database).await.unwrap();
    orders.into_iter().map(|(order, status, reason)| (order, (status, reason))).collect()
}

async fn states(database: &PgPool, table: &str) -> BTreeMap<Uuid, Value> {
    let states = sqlx::query_as(AssertSqlSafe(format!("SELECT saga, state FROM {table}")));
    let states: Vec<(Uuid, Value)> = states.fetch_all(database).await.unwrap();
    states.into_iter().collect()
}

async fn stock(database: &PgPool) -> BTreeMap<String, Level> {
    let levels = sqlx::query_as("SELECT sku, available, reserved, shipped, received FROM stock");
    let levels: Vec<(String, i64, i64, i64, i64)> = levels.fetch_all(database).await.unwrap();
    let levels = levels.into_iter().map(|(sku, available, reserved, shipped, received)| {
        (sku, Level { available, reserved, shipped, received })
    });
    levels.collect()
}

/// Books of one completed order, with nothing wrong.
fn sound() -> Books {
    let order = Uuid::from_u128(1);
    let state = |status: &str| BTreeMap::from([(order, json!({"status": status}))]);
    let lines = json!([{"sku": "tea", "quantity": 2}]);
    let shipped = json!({"status": "shipped", "lines": lines});
    let stock = Level { available: 8, reserved: 0, shipped: 2, received: 10 };
    let events: Vec<ReadEvent> = ["OrderPlaced", "PaymentCharged", "OrderCompleted"]
        .into_iter()
        .zip(1..)
        .map(|(event_type, id)| event(order, event_type, Uuid::from_u128(id)))
        .collect();
    let read_by = |types: &[&str]| {
        let read = events.iter().filter(|it| types.contains(&it.envelope.event_type.as_str()));
        read.map(|it| it.envelope.id).collect()
    };
    Books {
        orders: BTreeMap::from([(order, ("completed".to_owned(), None))]),
        reservations: BTreeMap::from([(order, shipped)]),
        payments: state("charged"),
        shipments: state("created"),
        stock: BTreeMap::from([("tea".to_owned(), stock)]),
        inboxes: reads().into_iter().map(|(service, types)| (service, read_by(&types))).collect(),
        events,
        ..Books::default()
    }
}

fn event(order: Uuid, event_type: &str, id: Uuid) -> ReadEvent {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id.to_string()),
        ("ce_type", event_type.to_owned()),
        ("ce_source", format!("/{event_type}")),
        ("ce_subject", order.to_string()),
        ("ce_time", "2026-01-02T03:04:05Z".to_owned()),
        ("ce_sequence", "1".to_owned()),
        ("ce_correlationid", "c".to_owned()),
        ("ce_causationid", "c".to_owned()),
    ];
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
    ReadEvent { envelope: contracts::Envelope::parse(headers).unwrap(), payload: json!({}) }
}

/// What a violation is to say, and what violates.
type Wrong = (&'static str, fn(&mut Books));

#[test]
fn sound_books_pass_and_each_wrong_is_seen() {
    let order = Uuid::from_u128(1);
    assert_eq!(sound().violations(), [""; 0]);
    assert!(sound().at_rest(&HashSet::new()));

    let wrongs: [Wrong; 13] = [
        ("I1", |books| books.stock.get_mut("tea").unwrap().available = 7),
        ("I1", |books| books.stock.get_mut("tea").unwrap().shipped = 3),
        ("shipped", |books| *books.orders.values_mut().next().unwrap() = ("placed".into(), None)),
        ("refunded", |books| {
            *books.payments.values_mut().next().unwrap() = json!({"status": "refunded"});
        }),
        ("failed", |books| {
            *books.shipments.values_mut().next().unwrap() = json!({"status": "failed"});
        }),
        ("I2", |books| {
            books.events.push(event(Uuid::from_u128(1), "PaymentCharged", Uuid::from_u128(9)));
        }),
        ("I6", |books| {
            books.events.push(event(Uuid::from_u128(1), "OrderCancelled", Uuid::from_u128(9)));
        }),
        ("I6", |books| _ = books.events.pop()),
        ("I7", |books| _ = books.inboxes.get_mut("payment").unwrap().pop_first()),
        ("number 2", |books| books.events[0].envelope.sequence = 2),
        ("misses", |books| books.gaps.push(("payment", "lost".to_owned()))),
        ("no events", |books| books.unreadable = 1),
        ("dead", |books| books.dead_letters = 1),
    ];
    for (expected, wrong) in wrongs {
        let mut books = sound();
        wrong(&mut books);
        let violations = books.violations();
        assert!(violations.iter().any(|it| it.contains(expected)), "{expected}: {violations:?}");
    }

    let mut busy = sound();
    busy.under_way.insert(("payment", "effects", order));
    assert!(!busy.at_rest(&HashSet::new()));
    assert!(busy.at_rest(&HashSet::from([order])), "nobody will ever know this outcome");
}

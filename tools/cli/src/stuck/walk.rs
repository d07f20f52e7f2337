//! From the newest order back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use choreography::{Awaited, Move, Service, States, end_of, moves};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::databases::{Databases, Joined};
use super::order::{Group, Orphan, Stuck};
use super::states::{self, Elsewhere, Order, Stretch, Wanted};
use super::work;
use crate::OrderId;
use crate::decisions::Decisions;
use crate::outcomes::first_id;
use crate::unreadable::Unreadable;

/// How many orders are read at once: some megabytes.
const PAGE: i64 = 10_000;
/// How long to walk. What is then not looked at is told.
const WALK_LIMIT: Duration = Duration::from_secs(20);
/// How many orders without an order are told of.
const ORPHANS_MAX: usize = 100;
/// How many old orders with something open are looked at, of each service.
const OLD_MAX: i64 = 2_000;

/// What is gathered on the way.
struct Walk<'a> {
    stuck: Stuck,
    /// The newest of each group that hang, `limit` at most.
    examples: Vec<Vec<Uuid>>,
    limit: usize,
    decisions: &'a Decisions,
    /// The calls that operators have parked, by service: order and step.
    parked: BTreeSet<(&'static str, Uuid, String)>,
    joined: Joined,
}

/// What hangs, grouped; and the newest `limit` of it.
pub(super) async fn walk(
    databases: &mut Databases,
    older_than: Duration,
    placed_within: Duration,
    decisions: &Decisions,
    limit: usize,
) -> Result<(Stuck, Vec<Uuid>), Unreadable> {
    let older_than_s = older_than.as_secs_f64();
    let now = Timestamp::now();
    let ago = |age: Duration| {
        now.checked_sub(SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    };
    let bound = first_id(ago(placed_within));
    let began = Instant::now();
    let (stuck, examples) = (Stuck::default(), Vec::new());
    let parked = BTreeSet::new();
    let joined = databases.joined().await;
    let mut walk = Walk { stuck, examples, limit, decisions, parked, joined };
    for (service, database) in databases.all() {
        let service = service.name();
        match work::parked_calls(service, database).await {
            Ok(calls) => {
                walk.parked.extend(calls.into_iter().map(|(order, step)| (service, order, step)));
            }
            Err(error) => states::note(&mut walk.stuck.unknown, &error),
        }
    }
    let mut stretch = Stretch { from: bound, to: Uuid::max() };
    loop {
        let orders = states::page(databases.first(), stretch, older_than_s, PAGE).await?;
        let is_last = i64::try_from(orders.len()).unwrap_or(i64::MAX) < PAGE;
        if let Some(last) = orders.last().filter(|_| !is_last) {
            stretch.from = last.id.0;
        }
        let mut known =
            states::elsewhere(databases, &Wanted::Between(stretch), &mut walk.stuck.unknown).await;
        walk.take(orders, &mut known);
        // Who was placed lately may not be known yet as it was, and not be late.
        let late = first_id(ago(older_than));
        walk.orphans(databases, known, late).await?;
        if is_last {
            break;
        }
        (stretch.from, stretch.to) = (bound, stretch.from);
        if began.elapsed() > WALK_LIMIT {
            walk.stuck.looked_back_to = stretch.to.get_timestamp().and_then(|at| {
                let (seconds, _) = at.to_unix();
                Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
            });
            break;
        }
    }
    walk.old(databases, bound, older_than_s).await?;
    let wanted = walk.wanted();
    walk.stuck.more = walk.stuck.all() - wanted.len();
    walk.stuck.groups.sort_by_key(|group| std::cmp::Reverse((group.last, group.orders)));
    Ok((walk.stuck, wanted))
}

impl Walk<'_> {
    /// Orders, with what the other services know of them; what remains of that is not theirs.
    fn take(&mut self, mut orders: Vec<Order>, known: &mut Elsewhere) {
        states::join(&mut orders, known, &self.joined);
        for order in orders {
            self.look_at(&order);
        }
    }

    fn look_at(&mut self, order: &Order) {
        let moves = moves(&order.states);
        if moves.is_empty() {
            return;
        }
        let is_settled = |one: &Move| match one.awaits {
            Awaited::Event { from, .. } => {
                self.decisions.settle_source(one.service, order.id, &format!("/{from}"))
            }
            Awaited::Call { step } => {
                self.parked.contains(&(one.service, order.id.0, step.to_owned()))
            }
            _ => false,
        };
        // Who is not to get one of its events, or its call's outcome, does not go on with the others.
        let is_set_apart = |one: &Move| {
            moves.iter().any(|other| other.service == one.service && is_settled(other))
        };
        match moves.iter().find(|one| !is_set_apart(one)) {
            Some(first) => self.count(*first, order),
            None => self.stuck.settled += 1,
        }
    }

    fn count(&mut self, one: Move, order: &Order) {
        let group = self.stuck.count(one, order);
        self.examples.resize_with(self.stuck.groups.len(), Vec::new);
        if self.examples[group].len() < self.limit {
            self.examples[group].push(order.id.0);
        }
    }

    /// Of each group the newest, and then the next, up to the limit.
    fn wanted(&self) -> Vec<Uuid> {
        let nth = |at: usize| self.examples.iter().filter_map(move |ids| ids.get(at).copied());
        (0..self.limit).flat_map(nth).take(self.limit).collect()
    }

    /// Orders that others know and the order service does not.
    async fn orphans(
        &mut self,
        databases: &mut Databases,
        known: Elsewhere,
        late: Uuid,
    ) -> Result<(), Unreadable> {
        let ids: Vec<Uuid> = known.keys().copied().filter(|id| *id < late).collect();
        for id in states::unplaced(databases.first(), &ids).await? {
            let Some(states) = known.get(&id) else { continue };
            if is_undone(states) {
                continue;
            }
            if self.stuck.orphans.len() < ORPHANS_MAX {
                let known_by = known_by(states);
                self.stuck.orphans.push(Orphan { order_id: OrderId(id), known_by });
            } else {
                self.stuck.orphans_more += 1;
            }
        }
        Ok(())
    }

    /// Older orders about which something is open.
    async fn old(
        &mut self,
        databases: &mut Databases,
        bound: Uuid,
        older_than_s: f64,
    ) -> Result<(), Unreadable> {
        let mut ids = Vec::new();
        for (service, database) in databases.all() {
            match work::open_before(service.name(), database, bound, OLD_MAX).await {
                Ok(open) => ids.extend(open),
                Err(error) => states::note(&mut self.stuck.unknown, &error),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let orders = states::these(databases.first(), &ids, older_than_s).await?;
        let mut known =
            states::elsewhere(databases, &Wanted::These(&ids), &mut self.stuck.unknown).await;
        self.take(orders, &mut known);
        self.orphans(databases, known, bound).await
    }
}

/// Whether all that was done for an order is undone: then it does no harm that nobody placed it.
fn is_undone(states: &States) -> bool {
    let undone = Service::first().declared().begins.as_ref().map(|begins| end_of(&begins.undone));
    let Some(end) = undone else { return false };
    let mut others = Service::all().filter(|service| !service.begins() && service.is_awaited());
    others.all(|service| {
        let has_settled = service.has_settled(end, states.status(service));
        !states.knows(service) || has_settled && !states.calls(service)
    })
}

/// What services other than the one that decides know of an order.
pub(super) fn known_by(states: &States) -> Vec<(&'static str, String)> {
    let others = Service::all().filter(|it| !it.begins() && states.knows(*it));
    others.map(|service| (service.name(), states.status(service).to_owned())).collect()
}

impl Stuck {
    /// How many orders hang.
    pub fn all(&self) -> usize {
        self.groups.iter().map(|group| group.orders).sum()
    }

    /// Counts an order, and tells the number of its group.
    fn count(&mut self, Move { service, awaits }: Move, order: &Order) -> usize {
        let is_it = |group: &Group| group.service == service && group.awaits == awaits;
        if let Some(at) = self.groups.iter().position(is_it) {
            let group = &mut self.groups[at];
            group.orders += 1;
            group.since = group.since.min(order.since);
            group.last = group.last.max(order.since);
            return at;
        }
        let (since, example) = (order.since, order.id);
        self.groups.push(Group { service, awaits, orders: 1, since, last: since, example });
        self.groups.len() - 1
    }
}

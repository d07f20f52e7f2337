use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Money, Quantity, Sku};
use messaging::instruments::CONFLICTS;
use messaging::{
    BundleId, Cause, Failure, Handle, Outgoing, Pace, Row, Session, StreamPosition, Write,
    crash_point,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::domain::State;
use crate::events::{Channel, Event, Line, OrderId, OrderPlaced, Recipient};
use crate::instruments::{self, PLACED, PLACED_VALUE};
use crate::{Order as Service, catalogue, store};

/// The most orders in one transaction.
const BATCH_MAX: usize = 1_000;
/// The most requests that may wait for a transaction; more are told to come again.
const QUEUE_MAX: usize = 10_000;
/// The largest total, in minor units: what every reader of JSON takes for the same number (2^53 - 1; RFC
/// 7493, 2.2).
const TOTAL_MAX: i64 = 9_007_199_254_740_991;
/// How often a transaction is repeated because another instance came in between.
const CONFLICTS_MAX: u32 = 5;

/// A checked request to place an order.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) idempotency_key: String,
    /// Says whether two requests are the same.
    pub(crate) hash: Vec<u8>,
    pub(crate) customer_id: String,
    pub(crate) lines: Vec<(Sku, Quantity)>,
    pub(crate) payment_method: String,
    pub(crate) channel: Channel,
    pub(crate) recipient: Recipient,
    pub(crate) cause: Cause,
}

/// How a request to place an order ends.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The order is on disk.
    Placed(Box<store::Order>),
    /// The order was placed before, by the same request; this is what was answered then.
    PlacedBefore(Box<store::Order>),
    /// The idempotency key was used for another request.
    KeyReused,
    /// These lines name what is not for sale.
    NotForSale(Vec<usize>),
    /// The lines' prices do not add up to something that can be paid, for this reason.
    NoTotal(&'static str),
    /// It may or may not have happened; the same request again will tell.
    ComeAgain(String),
    /// It cannot be stored, however often it is sent: a fault of this service.
    Impossible(String),
}

/// Why a request is not even taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refused {
    /// The same key is being worked on.
    Running,
    /// More requests wait than can be served soon.
    Full,
}

/// Places orders by group commit: requests that come at the same time share a transaction, and
/// each is answered after the commit. A request that has been taken in is carried through, also
/// when its client has gone.
#[derive(Clone)]
pub(crate) struct Placing {
    queue: mpsc::Sender<Job>,
    running: Arc<Mutex<HashSet<String>>>,
}

struct Job {
    request: Request,
    answer: oneshot::Sender<Answer>,
    _running: Running,
}

/// Keeps a second request with the same key out until the first is answered.
struct Running {
    keys: Arc<Mutex<HashSet<String>>>,
    key: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Placing {
    /// Starts the worker. It ends when the last clone is dropped.
    pub(crate) fn start(
        session: Session,
        handle: &Handle<Service>,
        linger: Duration,
        deadline: Duration,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let worker = Worker { session, handle: handle.clone(), deadline, expects_repeats: true };
        handle.spawn("placing", worker.run(jobs, Pace::new(linger)));
        Self { queue, running: Arc::default() }
    }

    /// Takes a request in; the receiver gets its answer.
    pub(crate) fn place(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Refused> {
        let key = request.idempotency_key.clone();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(key.clone()) {
            return Err(Refused::Running);
        }
        drop(running);
        let guard = Running { keys: self.running.clone(), key };
        let (answer, answered) = oneshot::channel();
        let job = Job { request, answer, _running: guard };
        self.queue.try_send(job).map_err(|_| Refused::Full)?;
        Ok(answered)
    }
}

struct Worker {
    session: Session,
    handle: Handle<Service>,
    deadline: Duration,
    /// Whether the next batch is likely to have requests that were answered before. If not, all
    /// are taken for new, and looked up if one turns out not to be.
    expects_repeats: bool,
}

impl Worker {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>, mut pace: Pace) {
        while let Some(first) = jobs.recv().await {
            pace.wait().await;
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            let count = batch.len();
            instruments::count_batch(count);
            self.place(batch).await;
            pace.done(count);
        }
    }

    /// Places a batch; if a request in it cannot be stored, each for itself.
    async fn place(&mut self, batch: Vec<Job>) {
        match self.transaction(&batch).await {
            Err(Failure::Poison(_)) if batch.len() > 1 => {
                for job in batch {
                    let alone = vec![job];
                    let result = self.transaction(&alone).await;
                    reply(alone, result);
                }
            }
            result => reply(batch, result),
        }
    }

    /// Again when one of the requests has placed an order before, be it a moment ago in another
    /// instance: now it can be seen.
    async fn transaction(&mut self, batch: &[Job]) -> Result<Vec<Answer>, Failure> {
        for _ in 0..CONFLICTS_MAX {
            match self.commit(batch).await {
                Err(Failure::Conflict) => {
                    self.expects_repeats = true;
                    CONFLICTS.of([]).increment(1);
                }
                result => return result,
            }
        }
        Err(Failure::Infrastructure(format!("{CONFLICTS_MAX} conflicts in a row")))
    }

    async fn commit(&mut self, batch: &[Job]) -> Result<Vec<Answer>, Failure> {
        let requests = || batch.iter().map(|job| &job.request);
        let before = self.placed_before(requests()).await?;
        let skus = requests().flat_map(|r| r.lines.iter().map(|(sku, _)| sku.as_str().to_owned()));
        let (prices, now) = catalogue::prices(&mut self.session, skus.collect()).await?;

        let answers: Vec<Answer> = requests()
            .map(|request| match before.get(&request.idempotency_key) {
                Some(order) => answer_again(order, request),
                None => self.price(request, &prices, now),
            })
            .collect();
        let placed = answers.iter().zip(requests()).filter_map(|(answer, request)| match answer {
            Answer::Placed(order) => Some((&**order, request)),
            _ => None,
        });
        let mut placed: Vec<(&store::Order, &Request)> = placed.collect();
        if !placed.is_empty() {
            // In the same order everywhere, so that two instances with the same keys wait for each
            // other instead of deadlocking.
            placed.sort_by(|(one, _), (other, _)| one.idempotency_key.cmp(&other.idempotency_key));
            self.write(&placed).await?;
        }
        crash_point("placing-before-answer");
        self.expects_repeats = !before.is_empty();
        Ok(answers)
    }

    /// The orders that these requests have placed before, by idempotency key, as far as that is
    /// looked up.
    async fn placed_before(
        &mut self,
        requests: impl Iterator<Item = &Request>,
    ) -> Result<HashMap<String, store::Order>, Failure> {
        if !self.expects_repeats {
            return Ok(HashMap::new());
        }
        let keys = requests.map(|request| request.idempotency_key.clone()).collect();
        let orders = store::placed_before(&mut self.session, keys).await?;
        Ok(orders.into_iter().map(|order| (order.idempotency_key.clone(), order)).collect())
    }

    /// Writes orders and their events, and has the loop publish those.
    async fn write(&mut self, placed: &[(&store::Order, &Request)]) -> Result<(), Failure> {
        let outbox = self.handle.outbox();
        let bundle = outbox.next_bundle();
        let drafted = placed.iter().map(|(order, request)| self.draft(bundle, order, request));
        let drafted: Vec<(Outgoing, StreamPosition)> = drafted.collect::<Result<_, _>>()?;
        let (events, streams): (Vec<Outgoing>, Vec<StreamPosition>) = drafted.into_iter().unzip();
        let new: Vec<store::New<'_>> = placed
            .iter()
            .zip(&events)
            .map(|((order, request), event)| store::New {
                order,
                event_id: event.envelope.id,
                cause: &request.cause,
            })
            .collect();
        let mut write = Write::default();
        store::insert(&new, bundle, &mut write)?;
        outbox.append(bundle, &events, &mut write)?;
        let clearing = outbox.clear(&mut write)?;
        write.run(&mut self.session).await?;
        clearing.done();
        count(placed);
        let rows = placed.iter().zip(streams).map(|((order, _), stream)| {
            (order.id, Row { version: 1, stream, state: order.state.clone() })
        });
        self.handle.publish(bundle, events, rows);
        Ok(())
    }

    /// Prices a request from the catalogue; the client's idea of prices does not count.
    fn price(
        &self,
        request: &Request,
        prices: &HashMap<Sku, Money>,
        placed_at: Timestamp,
    ) -> Answer {
        let mut lines = Vec::with_capacity(request.lines.len());
        let mut not_for_sale = Vec::new();
        for (at, (sku, quantity)) in request.lines.iter().enumerate() {
            match prices.get(sku) {
                Some(unit_price) => lines.push(Line {
                    sku: sku.clone(),
                    quantity: *quantity,
                    unit_price: *unit_price,
                }),
                None => not_for_sale.push(at),
            }
        }
        if !not_for_sale.is_empty() {
            return Answer::NotForSale(not_for_sale);
        }
        let total = match total(&lines) {
            Ok(total) => total,
            Err(reason) => return Answer::NoTotal(reason),
        };
        Answer::Placed(Box::new(store::Order {
            id: OrderId(Uuid::now_v7()),
            state: State::Placed,
            customer_id: request.customer_id.clone(),
            lines,
            total,
            channel: request.channel,
            idempotency_key: request.idempotency_key.clone(),
            request_hash: request.hash.clone(),
            placed_at,
            updated_at: placed_at,
            deadline_at: placed_at.checked_add(self.deadline).unwrap_or(Timestamp::MAX),
        }))
    }

    fn draft(
        &self,
        bundle: BundleId,
        order: &store::Order,
        request: &Request,
    ) -> Result<(Outgoing, StreamPosition), Failure> {
        let event = Event::from(OrderPlaced {
            order_id: order.id,
            customer_id: order.customer_id.clone(),
            lines: order.lines.clone(),
            total: order.total,
            payment_method: request.payment_method.clone(),
            recipient: request.recipient.clone(),
            placed_at: order.placed_at,
            channel: order.channel,
        });
        let mut stream = StreamPosition::default();
        let outbox = self.handle.outbox();
        let event = outbox.draft(bundle, order.id, &event, &mut stream, &request.cause)?;
        Ok((event, stream))
    }
}

fn reply(batch: Vec<Job>, result: Result<Vec<Answer>, Failure>) {
    match result {
        Ok(answers) => {
            for (Job { answer, .. }, given) in batch.into_iter().zip(answers) {
                // The client may have gone; its order is placed all the same.
                let _ = answer.send(given);
            }
        }
        Err(failure) => {
            tracing::warn!(error = %failure, orders = batch.len(), "orders not placed");
            for Job { answer, .. } in batch {
                let reason = failure.to_string();
                let _ = answer.send(match failure {
                    Failure::Poison(_) => Answer::Impossible(reason),
                    _ => Answer::ComeAgain(reason),
                });
            }
        }
    }
}

/// Counts orders that were placed, and what they are worth.
fn count(placed: &[(&store::Order, &Request)]) {
    PLACED.of([]).increment(placed.len() as u64);
    let mut value: BTreeMap<&str, u64> = BTreeMap::new();
    for (order, _) in placed {
        let total = u64::try_from(order.total.amount).unwrap_or_default();
        *value.entry(order.total.currency.as_str()).or_default() += total;
    }
    for (currency, total) in value {
        PLACED_VALUE.of([currency]).increment(total);
    }
}

/// The answer to a request whose key has placed an order: for the same request the order as it
/// was when it was answered first, whatever has become of it.
fn answer_again(order: &store::Order, request: &Request) -> Answer {
    if order.request_hash != request.hash {
        return Answer::KeyReused;
    }
    let first = store::Order { state: State::Placed, updated_at: order.placed_at, ..order.clone() };
    Answer::PlacedBefore(Box::new(first))
}

/// What is to be paid for all lines, or why that cannot be.
fn total(lines: &[Line]) -> Result<Money, &'static str> {
    let add_up = || {
        let mut sums = lines.iter().map(|line| line.unit_price.times(line.quantity));
        let first = sums.next()?.ok()?;
        sums.try_fold(first, |total, sum| total.plus(sum.ok()?).ok())
    };
    match add_up() {
        None => Err("the prices do not add up: they are in different currencies, or too large"),
        Some(total) if total.amount > TOTAL_MAX => Err("the total is above 9007199254740991"),
        // No provider takes a payment of nothing.
        Some(total) if total.amount == 0 => Err("the total is 0: there is nothing to pay"),
        Some(total) => Ok(total),
    }
}

//! Plays a story: does what its customer does, and sees how the order ends.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use cli::OrderId;
use jiff::Timestamp;
use kafka::ReadEvent;
use reqwest::StatusCode;

use crate::journal::Journal;
use crate::shop::{Order, Shop};
use crate::story::{STORIES, Story, Twist};

/// How long an order may take to its end: above the demo's deadline for orders, with room for a
/// machine that is busy.
const END_LIMIT: Duration = Duration::from_secs(40);
/// How long the rest, such as refunds and messages, may take after that.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// A story that was played.
pub(crate) struct Played {
    pub(crate) story: &'static Story,
    pub(crate) acts: Vec<Act>,
    /// Unless it could not even be placed.
    pub(crate) order: Option<OrderId>,
    /// How the order stood when it had ended and how long that took, or what went wrong.
    pub(crate) end: Result<(String, Duration), String>,
}

/// Something that came from outside: what the customer did, or the clock.
pub(crate) struct Act {
    pub(crate) at: Timestamp,
    pub(crate) who: &'static str,
    pub(crate) what: &'static str,
    pub(crate) answer: String,
    pub(crate) correlation_id: String,
}

impl Played {
    /// Its order, if that has a charge that never ends.
    pub(crate) fn hangs(&self) -> Option<OrderId> {
        self.order.filter(|_| self.story.hangs())
    }

    /// What is not as expected, if anything.
    pub(crate) fn verdict(&self, events: &[ReadEvent]) -> Result<(), String> {
        let (end, _) = self.end.as_ref().map_err(Clone::clone)?;
        if end != self.story.end {
            return Err(format!("ended as {end}"));
        }
        let missing = beyond(self.story.events, &types(events));
        let surplus = beyond(&told(events), self.story.events);
        match (missing.is_empty(), surplus.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("these events did not come: {}", missing.join(", "))),
            (_, false) => Err(format!("these events came unexpectedly: {}", surplus.join(", "))),
        }
    }
}

fn types(events: &[ReadEvent]) -> Vec<&str> {
    events.iter().map(|event| event.envelope.event_type.as_str()).collect()
}

/// The events of which stories tell. A service that no story is about may say what it likes.
fn told(events: &[ReadEvent]) -> Vec<&str> {
    let is_told = |name: &&str| STORIES.iter().any(|story| story.events.contains(name));
    types(events).into_iter().filter(is_told).collect()
}

/// What of `names` is not among `others`, each as often as it is.
fn beyond<'a>(names: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    let mut left = others.to_vec();
    let mut found = |name: &&str| match left.iter().position(|other| other == name) {
        Some(at) => {
            left.swap_remove(at);
            true
        }
        None => false,
    };
    names.iter().copied().filter(|name| !found(name)).collect()
}

/// Plays `story` under a `key` that nobody has used before.
pub(crate) async fn play(
    shop: &Shop,
    journal: &Journal,
    story: &'static Story,
    key: String,
) -> Played {
    let mut player = Player { shop, journal, story, key, acts: Vec::new(), order: None };
    let end = player.play().await.map_err(|error| format!("{error:#}"));
    Played { story, acts: player.acts, order: player.order, end }
}

struct Player<'a> {
    shop: &'a Shop,
    journal: &'a Journal,
    story: &'static Story,
    key: String,
    acts: Vec<Act>,
    order: Option<OrderId>,
}

impl Player<'_> {
    async fn play(&mut self) -> anyhow::Result<(String, Duration)> {
        let began = Instant::now();
        let order = self.place("places the order").await?;
        self.order = Some(order.id);
        match self.story.twist {
            Twist::None => self.check_deadline(&order)?,
            Twist::CancelInTime => self.cancel(&order, "StockReserved", StatusCode::OK).await?,
            Twist::CancelTooLate => {
                self.cancel(&order, "OrderConfirmed", StatusCode::CONFLICT).await?;
            }
            Twist::SendTwice => self.send_again(&order).await?,
        }
        let standing = self.until_end(order.id).await?;
        let took = began.elapsed();
        let wanted = self.story.events.len();
        self.journal.until(order.id, REST_LIMIT, |events| told(events).len() >= wanted).await;
        Ok((standing, took))
    }

    async fn place(&mut self, what: &'static str) -> anyhow::Result<Order> {
        let request = self.story.request(self.key.clone());
        let at = Timestamp::now();
        let order = self.shop.place(&request).await?;
        let id = order.id.to_string();
        self.did(
            at,
            what,
            format!("201 Created, order …{}", &id[id.len() - 6..]),
            self.key.clone(),
        );
        Ok(order)
    }

    /// Cancels after an event of this type.
    async fn cancel(
        &mut self,
        order: &Order,
        after: &str,
        expected: StatusCode,
    ) -> anyhow::Result<()> {
        let id = order.id;
        let seen = self.journal.until(id, END_LIMIT, |events| types(events).contains(&after)).await;
        ensure!(seen, "{after} did not come within {END_LIMIT:?}; the services' logs say why");
        let correlation_id = format!("{}-cancel", self.key);
        let at = Timestamp::now();
        let answer = self.shop.cancel(id, &correlation_id).await?;
        self.did(at, "cancels the order", answer.to_string(), correlation_id);
        ensure!(answer == expected, "cancelling was answered with {answer}, not {expected}");
        Ok(())
    }

    async fn send_again(&mut self, order: &Order) -> anyhow::Result<()> {
        let again = self.place("sends it again").await?;
        ensure!(again.id == order.id, "the second request made another order");
        let orders = self.shop.orders_of(&self.key).await?;
        ensure!(orders == 1, "the customer has {orders} orders");
        Ok(())
    }

    fn did(&mut self, at: Timestamp, what: &'static str, answer: String, correlation_id: String) {
        self.acts.push(Act { at, who: "customer", what, answer, correlation_id });
    }

    fn note_deadline(&mut self, order: &Order) {
        if order.cancel_reason.as_deref() == Some("timed_out") {
            self.acts.push(Act {
                at: order.deadline_at,
                who: "clock",
                what: "the deadline passes",
                answer: String::new(),
                // As the order service names it.
                correlation_id: format!("deadline:{}", order.id),
            });
        }
    }

    /// A fleet that waits for a payment much longer than we do would fail the story for no fault.
    fn check_deadline(&self, order: &Order) -> anyhow::Result<()> {
        let deadline = order.deadline_at.duration_since(order.placed_at).unsigned_abs();
        if self.story.end.ends_with("timed_out") && deadline > END_LIMIT / 2 {
            bail!(
                "the order's deadline is {deadline:?} away: start the order service with ORDER_DEADLINE_S=8"
            );
        }
        Ok(())
    }

    async fn until_end(&mut self, id: OrderId) -> anyhow::Result<String> {
        let began = Instant::now();
        loop {
            let order = self.shop.wait_for(id).await?;
            if order.has_ended() {
                self.note_deadline(&order);
                return Ok(order.standing());
            }
            ensure!(
                began.elapsed() < END_LIMIT,
                "it is still {} after {END_LIMIT:?}; the services' logs say why",
                order.standing()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_counts_each_as_often_as_it_is() {
        assert_eq!(beyond(&["a", "b", "a"], &["a", "c"]), ["b", "a"]);
        assert!(beyond(&["a"], &["b", "a"]).is_empty());
    }
}

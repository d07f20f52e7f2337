use anyhow::ensure;
use serde::Serialize;

/// How an order is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is paid for and shipped.
    Completed,
    /// The card is declined.
    Declined,
    /// The carrier does not go there, so the money goes back.
    Refused,
    /// There is not enough in stock.
    OutOfStock,
    /// The payment provider answers the third time only.
    Flaky,
}

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Shares of the orders that end otherwise than well, in percent: declined, refused by the
    /// carrier, out of stock, flaky payment.
    pub declined: f64,
    /// See [`Mix::declined`].
    pub refused: f64,
    /// See [`Mix::declined`].
    pub out_of_stock: f64,
    /// See [`Mix::declined`].
    pub flaky: f64,
    /// How many SKUs there are.
    pub skus: usize,
    /// How much some are preferred: the exponent of Zipf's law. 0: all alike; 1: the first is
    /// ordered twice as often as the second.
    pub skew: f64,
}

impl Default for Mix {
    /// All orders end well, over 1,000 SKUs, all alike.
    fn default() -> Self {
        Self { declined: 0.0, refused: 0.0, out_of_stock: 0.0, flaky: 0.0, skus: 1_000, skew: 0.0 }
    }
}

/// One order of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) outcome: Outcome,
    pub(crate) sku: usize,
}

/// Draws orders.
pub(crate) struct Dice {
    shares: [(f64, Outcome); 4],
    /// Of each SKU the share of orders that are for it or one before it.
    cumulated: Vec<f64>,
}

impl Dice {
    pub(crate) fn new(mix: &Mix) -> anyhow::Result<Self> {
        let shares = [
            (mix.declined, Outcome::Declined),
            (mix.refused, Outcome::Refused),
            (mix.out_of_stock, Outcome::OutOfStock),
            (mix.flaky, Outcome::Flaky),
        ];
        let sum: f64 = shares.iter().map(|(share, _)| share).sum();
        ensure!(
            sum <= 100.0 && shares.iter().all(|(share, _)| *share >= 0.0),
            "the shares must be 0 to 100 and not be more than 100 together"
        );
        ensure!(mix.skus > 0, "there must be a SKU to order");
        let weights = (1..=mix.skus).map(|rank| {
            #[allow(clippy::cast_precision_loss)] // Far below 2^52 SKUs.
            let rank = rank as f64;
            rank.powf(-mix.skew)
        });
        let mut total = 0.0;
        let cumulated: Vec<f64> = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Ok(Self { shares, cumulated: cumulated.iter().map(|weight| weight / total).collect() })
    }

    pub(crate) fn draw(&self) -> Draw {
        let mut point = fastrand::f64() * 100.0;
        let hit = self.shares.iter().find(|(share, _)| {
            point -= share;
            point < 0.0
        });
        let outcome = hit.map_or(Outcome::Completed, |(_, outcome)| *outcome);
        let at = fastrand::f64();
        let sku = self.cumulated.partition_point(|share| *share <= at);
        Draw { outcome, sku: sku.min(self.cumulated.len() - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_by_the_shares() {
        let mix = Mix { declined: 20.0, flaky: 5.0, skus: 10, skew: 1.0, ..Mix::default() };
        let dice = Dice::new(&mix).unwrap();
        let draws: Vec<Draw> = (0..40_000).map(|_| dice.draw()).collect();
        let count = |wanted: &dyn Fn(&Draw) -> bool| draws.iter().filter(|it| wanted(it)).count();
        assert!((7_400..8_600).contains(&count(&|it| it.outcome == Outcome::Declined)));
        assert!((1_700..2_300).contains(&count(&|it| it.outcome == Outcome::Flaky)));
        let (first, second) = (count(&|it| it.sku == 0), count(&|it| it.sku == 1));
        assert!((18..22).contains(&(10 * first / second)), "{first} and {second}");
        assert_eq!(count(&|it| it.sku > 9), 0);
        assert!(Dice::new(&Mix { declined: 60.0, refused: 60.0, ..mix }).is_err());
    }
}

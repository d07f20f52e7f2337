use std::cell::Cell;

use load::Length;

use crate::comparison::Comparison;
use crate::fleet::{Fleet, Setup};
use crate::ground::Ground;
use crate::loads::closed;
use crate::scale::Scale;

/// What the sections share.
pub(crate) struct Bench {
    pub(crate) ground: Ground,
    pub(crate) scale: Scale,
    pub(crate) comparison: Comparison,
    /// What the fleet can hold, once that is known.
    pub(crate) rate: Option<f64>,
    /// Whether a fleet has been at work on it.
    pub(crate) stack_is_warm: Cell<bool>,
}

impl Bench {
    /// A fleet that is warm, on a stack that is.
    pub(crate) async fn fleet(&self, setup: Setup<'_>) -> anyhow::Result<Fleet<'_>> {
        let orders = if self.stack_is_warm.replace(true) {
            self.scale.warm_fleet
        } else {
            self.scale.warm_stack
        };
        self.ground.fleet(setup, orders).await
    }

    /// What the fleet can hold; when the section that finds out was left out, an estimate.
    pub(crate) async fn rate(&self, fleet: &Fleet<'_>) -> anyhow::Result<f64> {
        match self.rate {
            Some(rate) => Ok(rate),
            None => Ok((self.ceiling(fleet).await? * 0.75).round()),
        }
    }

    /// Orders a second when as many are under way as the fleet can take.
    pub(crate) async fn ceiling(&self, fleet: &Fleet<'_>) -> anyhow::Result<f64> {
        let load = closed(Length::Time(self.scale.probe));
        let measured = fleet.measure("as fast as it goes", &load).await?;
        self.ground.show.say(&format!("  closed loop: {:.0}/s", measured.load.ended_per_second));
        Ok(measured.load.ended_per_second)
    }
}

//! The short measurement for CI: only what noise does not move much. Ratios within one run, and
//! counts.

use load::{Arrivals, Length, Load};

use crate::fleet::Setup;
use crate::ground::Ground;
use crate::loads::closed;
use crate::measure::seconds;
use crate::sections::alone::{ONE_AT_A_TIME, WARM as WARM_ALONE};
use crate::sections::counts::{begin_counting, count};

/// Orders before anything is measured.
const WARM: u64 = 5_000;
/// Orders over which is counted.
const ORDERS: u64 = 5_000;
/// Orders under way at all times, with batches and without; few, so that those end soon, too, that
/// are carried one at a time.
const AT_ONCE: usize = 300;
/// How long each way is measured.
const DURATION: std::time::Duration = seconds(8);

/// The records of an order that goes well: placed, reserved, charged, confirmed, shipped, completed,
/// and two messages to the customer.
const RECORDS: f64 = 8.0;
/// It is 1.3 to 1.5 on two cores, more on a slower machine, for batches are paced by time; 133 with
/// batches of one.
const STATEMENTS_MAX: f64 = 5.0;
/// It is 0.17 to 0.22 on two cores; 20 with batches of one.
const TRANSACTIONS_MAX: f64 = 0.8;
/// How many times as many orders a second batches carry. A loop that lost its batches has 1.
const TIMES_MIN: f64 = 3.0;

/// One thing that must hold.
struct Verdict {
    what: &'static str,
    found: f64,
    wanted: String,
    holds: bool,
}

impl Verdict {
    fn at_most(what: &'static str, found: f64, most: f64) -> Self {
        Self { what, found, wanted: format!("at most {most}"), holds: found <= most }
    }

    fn at_least(what: &'static str, found: f64, least: f64) -> Self {
        Self { what, found, wanted: format!("at least {least}"), holds: found >= least }
    }

    fn exactly(what: &'static str, found: f64, wanted: f64) -> Self {
        let holds = (found - wanted).abs() < 1e-9;
        Self { what, found, wanted: format!("exactly {wanted}"), holds }
    }
}

/// Measures, prints, and tells whether all holds. All orders must have ended, and the audit be
/// clean.
pub(crate) async fn check(ground: &mut Ground) -> anyhow::Result<bool> {
    begin_counting(ground).await?;
    let fleet = ground.fleet(Setup::plain("check"), WARM).await?;
    let counts = count(&fleet, ORDERS).await?;
    let arrivals = Arrivals::Closed(AT_ONCE);
    let load = Load { arrivals, ..closed(Length::Time(DURATION)) };
    let batched = fleet.measure("batched", &load).await?;
    fleet.close().await?;
    let alone = Setup { environment: &ONE_AT_A_TIME, ..Setup::plain("alone") };
    let fleet = ground.fleet(alone, WARM_ALONE).await?;
    let alone = fleet.measure("one at a time", &load).await?;
    fleet.close().await?;

    #[allow(clippy::cast_precision_loss)] // Far below 2^52.
    let rows = counts.rows as f64 / counts.orders as f64;
    let times = batched.load.ended_per_second / alone.load.ended_per_second;
    let verdicts = [
        Verdict::exactly("rows per acknowledged order", rows, 1.0),
        Verdict::exactly("records per order", counts.records_per_order, RECORDS),
        Verdict::at_most("statements per order", counts.statements_per_order, STATEMENTS_MAX),
        Verdict::at_most("transactions per order", counts.transactions_per_order, TRANSACTIONS_MAX),
        Verdict::at_least("batches to one at a time, in orders/s", times, TIMES_MIN),
    ];
    for Verdict { what, found, wanted, holds } in &verdicts {
        let mark = if *holds { "✔" } else { "✘" };
        println!("{mark} {what:<40} {found:>8.3}   {wanted}");
    }
    Ok(verdicts.iter().all(|verdict| verdict.holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_up_to_themselves() {
        assert!(Verdict::at_most("", 4.0, 4.0).holds && !Verdict::at_most("", 4.1, 4.0).holds);
        assert!(Verdict::at_least("", 3.0, 3.0).holds && !Verdict::at_least("", 2.9, 3.0).holds);
        assert!(Verdict::exactly("", 8.0, 8.0).holds && !Verdict::exactly("", 8.0002, 8.0).holds);
    }
}

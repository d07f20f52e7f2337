use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::sections::against::Against;
use crate::sections::alone::Alone;
use crate::sections::catch_up::CatchUp;
use crate::sections::console::Console;
use crate::sections::counts::Counts;
use crate::sections::growth::Grown;
use crate::sections::hot::Spread;
use crate::sections::idle::Idle;
use crate::sections::instances::Shared;
use crate::sections::latency::AtRate;
use crate::sections::rate::Rate;
use crate::sections::stall::Stall;

/// All that was measured. What was not is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// When, and of which commit, by section.
    pub(crate) done: BTreeMap<String, String>,
    /// Why not, by section.
    pub(crate) failed: BTreeMap<String, String>,
    pub(crate) rate: Option<Rate>,
    pub(crate) latency: Vec<AtRate>,
    pub(crate) counts: Option<Counts>,
    pub(crate) alone: Option<Alone>,
    pub(crate) growth: Vec<Grown>,
    pub(crate) catch_up: Option<CatchUp>,
    pub(crate) stall: Vec<Stall>,
    pub(crate) hot: Vec<Spread>,
    pub(crate) idle: Option<Idle>,
    pub(crate) instances: Vec<Shared>,
    pub(crate) console: Option<Console>,
    pub(crate) against: Option<Against>,
}

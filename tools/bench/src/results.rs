use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sections::latency::AtRate;
use crate::sections::rate::Rate;

/// All that was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Why, by section.
    pub(crate) failed: BTreeMap<String, String>,
    pub(crate) rate: Option<Rate>,
    pub(crate) latency: Option<Vec<AtRate>>,
}

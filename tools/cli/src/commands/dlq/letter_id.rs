use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a dead letter is, as people write it: service/partition/offset, such as `payment/0/17`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LetterId {
    pub(crate) service: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.service, self.partition, self.offset)
    }
}

impl From<LetterId> for String {
    fn from(id: LetterId) -> Self {
        id.to_string()
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (service, place) = text.split_once('/')?;
            let (partition, offset) = place.split_once('/')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            let fits = !service.is_empty() && partition >= 0 && offset >= 0;
            fits.then(|| Self { service: service.to_owned(), partition, offset })
        };
        parsed().ok_or_else(|| "expected service/partition/offset, such as payment/0/17".to_owned())
    }
}

impl TryFrom<String> for LetterId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_read() {
        let id: LetterId = "payment/0/17".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"payment/0/17\"");
        for bad in ["", "payment", "payment/0", "/0/17", "payment/-1/17", "payment/0/17/1"] {
            assert!(bad.parse::<LetterId>().is_err(), "{bad}");
        }
    }
}

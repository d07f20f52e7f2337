use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::committed::committed;
use crate::error::AdminError;
use crate::scan::{partitions, scan};
use crate::standalone::Window;

/// So many unread records are looked through. Of more it is not told whose they are.
const LOOK_THROUGH_MAX: i64 = 50_000;

/// Which keys a consumer group has unread records of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// Of these.
    Of(HashSet<Vec<u8>>),
    /// Of more than can be looked through, so maybe of any.
    Many,
}

impl Unread {
    /// Whether there may be unread records of a key.
    pub fn may_be_of(&self, key: &[u8]) -> bool {
        match self {
            Self::Of(keys) => keys.contains(key),
            Self::Many => true,
        }
    }
}

/// Which keys the topics hold records of, written until now, that a consumer group is not done
/// with. What it is done with is known by what it has committed, so by a second late.
///
/// Blocks, for a minute at most. Joins no group, commits nothing.
pub fn unread(brokers: &str, group: &str, topics: &[String]) -> Result<Unread, AdminError> {
    // The ends first: what is written and committed in between is read, not unread.
    let ends = partitions(brokers, topics)?;
    let windows = ahead(ends, &committed(brokers, group, topics)?);
    if windows.iter().map(|window| window.to - window.from).sum::<i64>() > LOOK_THROUGH_MAX {
        return Ok(Unread::Many);
    }
    let mut keys = HashSet::new();
    scan(brokers, &windows, |record| {
        keys.extend(record.key.map(<[u8]>::to_vec));
        ControlFlow::Continue(())
    })?;
    Ok(Unread::Of(keys))
}

/// What lies between how far the group is and the end. That may be no records: a transaction's
/// marks have offsets, too.
fn ahead(ends: Vec<Window>, committed: &HashMap<(String, i32), i64>) -> Vec<Window> {
    let ahead = ends.into_iter().map(|all| {
        let done = committed.get(&(all.topic.clone(), all.partition)).copied();
        // What has expired cannot be read any more; past the end is where another topic was.
        let from = done.map_or(all.from, |done| if done > all.to { all.from } else { done });
        Window { from: from.max(all.from), ..all }
    });
    ahead.filter(|window| window.from < window.to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_begins_where_the_group_is_or_where_the_log_does() {
        let window = |partition, from, to| Window { topic: "t".to_owned(), partition, from, to };
        let ends = vec![window(0, 5, 9), window(1, 5, 9), window(2, 5, 9), window(3, 5, 9)];
        let committed = [(0, 7), (1, 9), (2, 3)];
        let committed = committed.map(|(partition, at)| (("t".to_owned(), partition), at));
        let ahead = ahead(ends, &committed.into_iter().collect());
        assert_eq!(ahead, [window(0, 7, 9), window(2, 5, 9), window(3, 5, 9)]);
    }
}

//! Dead letters of one service and cause, and how it is with them as a whole.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::archive::{Archive, State};
use super::letter::Letter;
use super::operations::{Act, Kind};

/// A group whose first letter died within this time is new.
const NEW_FOR: SignedDuration = SignedDuration::from_hours(1);
/// An operation that has not ended, and has said nothing for this long, was interrupted.
const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Letters that one service could not process for one cause.
#[derive(Debug)]
pub struct Group<'a> {
    /// The service.
    pub service: &'a str,
    /// Why they failed last, as [`Letter::cause`] has it.
    pub cause: String,
    /// The letters, oldest first.
    pub letters: Vec<(&'a Letter, State<'a>)>,
    /// How it is with them.
    pub condition: Condition,
}

/// How it is with a group of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Some are open although letters of this kind had been put back or discarded: what was mended is broken
    /// again, or was not mended.
    CameBack,
    /// Some are open, the first of them for an hour at most.
    New,
    /// Some are open.
    Open,
    /// Somebody puts letters of it back now.
    PuttingBack,
    /// Some are open, and somebody has said of each that it is known. One more, and it is silent no more.
    Silent,
    /// Something was done about each.
    Closed,
}

impl Condition {
    /// A word or two for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CameBack => "came back",
            Self::New => "new",
            Self::Open => "open",
            Self::PuttingBack => "being put back",
            Self::Silent => "silenced",
            Self::Closed => "closed",
        }
    }

    /// Whether somebody is to look at it.
    pub fn is_loud(self) -> bool {
        matches!(self, Self::CameBack | Self::New | Self::Open)
    }
}

impl Group<'_> {
    /// How many of its letters are open.
    pub fn open(&self) -> usize {
        self.letters.iter().filter(|(_, state)| state.is_open()).count()
    }
}

impl Archive {
    /// All letters, by service and cause; those first that somebody is to look at, and among these what died
    /// last.
    pub fn groups(&self, now: Timestamp) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<(&str, String), Vec<(&Letter, State<'_>)>> = BTreeMap::new();
        for (letter, state) in self.letters() {
            let key = (letter.id.service.as_str(), letter.cause());
            groups.entry(key).or_default().push((letter, state));
        }
        let group = |((service, cause), letters): ((_, _), Vec<_>)| {
            let condition = self.condition(&letters, now);
            Group { service, cause, letters, condition }
        };
        let mut groups: Vec<Group<'_>> = groups.into_iter().map(group).collect();
        let newest = |group: &Group<'_>| group.letters.last().map(|(letter, _)| letter.died_at);
        groups.sort_by_key(|group| {
            (!group.condition.is_loud(), group.condition, std::cmp::Reverse(newest(group)))
        });
        groups
    }

    /// How many letters are open, without those that are silenced.
    pub fn loud(&self, now: Timestamp) -> usize {
        // Each page tells it: causes are made out only if they matter.
        if !self.log.has_silenced() {
            return self.letters().filter(|(_, state)| state.is_open()).count();
        }
        let groups = self.groups(now).into_iter();
        groups.filter(|group| group.condition != Condition::Silent).map(|group| group.open()).sum()
    }

    fn condition(&self, letters: &[(&Letter, State<'_>)], now: Timestamp) -> Condition {
        let open =
            || letters.iter().filter(|(_, state)| state.is_open()).map(|(letter, _)| *letter);
        let acts = || letters.iter().filter_map(|(_, state)| act(state));
        let is_under_way = |act: Act<'_>| {
            let operation = act.operation;
            operation.began.kind == Kind::Redrive
                && operation.ended.is_none()
                && now.duration_since(operation.last_at) < UNDER_WAY_FOR
        };
        let Some(first) = open().next() else { return Condition::Closed };
        let dealt_with = acts().map(|act| act.at).min();
        let was_put_back = |letter: &Letter| letter.came_back_from().is_some();
        if acts().any(is_under_way) {
            Condition::PuttingBack
        } else if open().all(|letter| self.log.is_silenced(letter.redrive_id())) {
            Condition::Silent
        } else if open().any(|it| was_put_back(it) || dealt_with.is_some_and(|at| it.died_at > at))
        {
            Condition::CameBack
        } else if now.duration_since(first.died_at) < NEW_FOR {
            Condition::New
        } else {
            Condition::Open
        }
    }
}

fn act<'a>(state: &State<'a>) -> Option<Act<'a>> {
    match state {
        State::Redriven { act, .. } => *act,
        State::Discarded(act) => Some(*act),
        State::Open | State::CopyOf(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use contracts::dead_letter_headers as dead;

    use super::super::letter::Redriven;
    use super::super::letter::tests::letter;
    use super::super::operations::OperationLog;
    use super::super::operations::tests::log;
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A letter of a record of its own, which died then.
    fn died(offset: i64, at: &str) -> Letter {
        let mut letter = letter(&format!("payment/0/{offset}"), &["no"]);
        for (name, value) in &mut letter.headers {
            if name == dead::OFFSET {
                *value = Some(offset.to_string().into());
            }
        }
        Letter { died_at: time(at), ..letter }
    }

    fn condition(letters: Vec<Letter>, log: OperationLog, now: &str) -> Condition {
        let archive = Archive::new(letters, log);
        let groups = archive.groups(time(now));
        assert_eq!(groups.len(), 1);
        groups[0].condition
    }

    /// The log of [`log`] tells of 2026-01-03, midnight.
    #[test]
    fn how_it_is_with_letters_follows_from_them_and_the_log() {
        let first = || died(1, "2026-01-02T10:00:00Z");
        let second = || died(2, "2026-01-02T11:00:00Z");
        let later = || died(3, "2026-01-04T10:00:00Z");
        let on_first = |kind| log(kind, &[("payment/0/1", first().redrive_id())]);
        let none = OperationLog::default;
        for (letters, log, now, expected) in [
            (vec![first()], none(), "2026-01-02T10:30:00Z", Condition::New),
            (vec![first()], none(), "2026-01-02T12:00:00Z", Condition::Open),
            (vec![first()], on_first(Kind::Discard), "2026-01-04T00:00:00Z", Condition::Closed),
            (vec![first()], on_first(Kind::Silence), "2026-01-04T00:00:00Z", Condition::Silent),
            (vec![first()], on_first(Kind::Unsilence), "2026-01-04T00:00:00Z", Condition::Open),
            // One that nobody has said anything of.
            (
                vec![first(), second()],
                on_first(Kind::Silence),
                "2026-01-04T00:00:00Z",
                Condition::Open,
            ),
            // The second was there already when the first was dealt with; the other was not.
            (
                vec![first(), second()],
                on_first(Kind::Discard),
                "2026-01-04T00:00:00Z",
                Condition::Open,
            ),
            (
                vec![first(), later()],
                on_first(Kind::Discard),
                "2026-01-04T10:30:00Z",
                Condition::CameBack,
            ),
            // An operation that has not ended is under way, until it has said nothing for long.
            (
                vec![first(), second()],
                on_first(Kind::Redrive),
                "2026-01-03T00:01:00Z",
                Condition::PuttingBack,
            ),
            (
                vec![first(), second()],
                on_first(Kind::Redrive),
                "2026-01-03T00:10:00Z",
                Condition::Open,
            ),
        ] {
            assert_eq!(condition(letters, log, now), expected, "as of {now}");
        }
    }

    #[test]
    fn a_letter_that_failed_again_has_come_back_whatever_was_silenced_before() {
        let first = died(1, "2026-01-02T10:00:00Z");
        let how = Redriven { by: "ada", at: time("2026-01-03T00:00:00Z"), reason: None };
        let mut back = died(2, "2026-01-03T00:00:10Z");
        back.headers.extend(first.redriven(&how).unwrap().headers);
        let log = log(Kind::Silence, &[("payment/0/1", first.redrive_id())]);
        assert_eq!(condition(vec![first, back], log, "2026-01-05T00:00:00Z"), Condition::CameBack);
    }

    #[test]
    fn what_somebody_is_to_look_at_comes_first() {
        let other = |offset, at, cause| Letter {
            died_at: time(at),
            ..letter(&format!("payment/1/{offset}"), &[cause])
        };
        let silent = died(1, "2026-01-02T10:00:00Z");
        let log = log(Kind::Silence, &[("payment/0/1", silent.redrive_id())]);
        let mut odd = other(7, "2026-01-01T10:00:00Z", "odd");
        odd.headers.retain(|(name, _)| name != dead::OFFSET);
        odd.headers.push((dead::OFFSET.to_owned(), Some(b"7".to_vec())));
        let archive = Archive::new(vec![silent, odd], log);
        let groups = archive.groups(time("2026-01-05T00:00:00Z"));
        let seen: Vec<_> = groups.iter().map(|it| (it.cause.as_str(), it.condition)).collect();
        assert_eq!(seen, [("odd", Condition::Open), ("no", Condition::Silent)]);
    }
}

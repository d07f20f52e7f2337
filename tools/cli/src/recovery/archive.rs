use std::collections::HashMap;
use std::ops::ControlFlow;

use contracts::operations::LetterId;
use jiff::Timestamp;
use kafka::{AdminError, Bounds, scan, windows};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::letter::Letter;
use super::operations::{Act, Kind, OperationLog};
use crate::connections::Connections;

/// All dead letters of some services, and what was done about them.
pub struct Archive {
    /// Oldest first.
    letters: Vec<Letter>,
    /// What was done about them.
    pub log: OperationLog,
    /// The letters that came back, by the redrive that they came back from.
    came_back: HashMap<Uuid, LetterId>,
    /// The first of each letter's copies, by their redrive id.
    first: HashMap<Uuid, LetterId>,
}

/// What is to be said of a letter.
#[derive(Debug, Clone, Copy)]
pub enum State<'a> {
    /// Nothing was done about it so far.
    Open,
    /// It was put back. The log need not say so, if it came back.
    Redriven {
        /// Who did it, if the log says so.
        act: Option<Act<'a>>,
        /// The letter that it has become again.
        came_back: Option<&'a LetterId>,
    },
    /// Somebody has decided that it is to stay dead.
    Discarded(Act<'a>),
    /// It is another letter once more.
    CopyOf(&'a LetterId),
}

impl State<'_> {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven { .. } => "redriven",
            Self::Discarded(_) => "discarded",
            Self::CopyOf(_) => "copy",
        }
    }

    /// Whether something is to be done about it.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

impl Archive {
    /// Reads the dead letters that came `since`, without their payloads, and the whole log of
    /// operations.
    pub async fn read(
        connections: &Connections,
        services: &[String],
        since: Option<Timestamp>,
    ) -> Result<Self, AdminError> {
        let bounds = match since {
            None => Bounds::Everything,
            from => Bounds::Times { from, to: None },
        };
        Self::read_with(connections, services, bounds, |letter, _| letter).await
    }

    /// Reads all dead letters for who is to see nothing personal: see [`Letter::masked`].
    pub async fn read_masked(
        connections: &Connections,
        services: &[String],
    ) -> Result<Self, AdminError> {
        Self::read_with(connections, services, Bounds::Everything, Letter::masked).await
    }

    /// Reads all dead letters, some of them with their payloads.
    pub async fn read_payloads(
        connections: &Connections,
        services: &[String],
        wanted: impl Fn(&LetterId) -> bool + Send + 'static,
    ) -> Result<Self, AdminError> {
        let keep = move |letter: Letter, payload: Option<&[u8]>| {
            let payload = payload.filter(|_| wanted(&letter.id)).map(<[u8]>::to_vec);
            Letter { payload, ..letter }
        };
        Self::read_with(connections, services, Bounds::Everything, keep).await
    }

    async fn read_with(
        connections: &Connections,
        services: &[String],
        bounds: Bounds,
        keep: impl Fn(Letter, Option<&[u8]>) -> Letter + Send + 'static,
    ) -> Result<Self, AdminError> {
        connections.kafka().await?;
        let (letters, log) = tokio::try_join!(
            letters(connections, services, bounds, keep),
            OperationLog::read(connections),
        )?;
        Ok(Self::new(letters, log))
    }

    pub(super) fn new(mut letters: Vec<Letter>, log: OperationLog) -> Self {
        letters.sort_by(|a, b| (a.died_at, &a.id).cmp(&(b.died_at, &b.id)));
        let (mut came_back, mut first) = (HashMap::new(), HashMap::new());
        for letter in &letters {
            if let Some(redrive) = letter.came_back_from() {
                came_back.entry(redrive).or_insert_with(|| letter.id.clone());
            }
            first.entry(letter.redrive_id()).or_insert_with(|| letter.id.clone());
        }
        Self { letters, log, came_back, first }
    }

    /// All letters and their states, oldest first.
    pub fn letters(&self) -> impl Iterator<Item = (&Letter, State<'_>)> {
        self.letters.iter().map(|letter| (letter, self.state(letter)))
    }

    /// The letter with this id.
    pub fn find(&self, id: &LetterId) -> Option<(&Letter, State<'_>)> {
        self.letters().find(|(letter, _)| letter.id == *id)
    }

    fn state(&self, letter: &Letter) -> State<'_> {
        let redrive = letter.redrive_id();
        let came_back = self.came_back.get(&redrive);
        // What was taken back is as if it had not been done.
        let act = self.log.act(redrive);
        let act = act.filter(|act| act.operation.began.kind != Kind::Undiscard);
        match (act, came_back, self.first.get(&redrive)) {
            (Some(act), None, _) if act.operation.began.kind == Kind::Discard => {
                State::Discarded(act)
            }
            (None, None, Some(first)) if *first != letter.id => State::CopyOf(first),
            (None, None, _) => State::Open,
            (act, came_back, _) => State::Redriven { act, came_back },
        }
    }
}

/// What the services' dead-letter topics hold, as `keep` makes it of a letter and its payload. Payloads are
/// most of what there is, and letters may be many.
pub async fn letters(
    connections: &Connections,
    services: &[String],
    bounds: Bounds,
    keep: impl Fn(Letter, Option<&[u8]>) -> Letter + Send + 'static,
) -> Result<Vec<Letter>, AdminError> {
    let brokers = connections.kafka_brokers.clone();
    let topics = &connections.topic_prefix;
    let by_topic: HashMap<String, String> =
        services.iter().map(|service| (topics.dead_letters(service), service.clone())).collect();
    let reading = spawn_blocking(move || {
        let topics: Vec<String> = by_topic.keys().cloned().collect();
        let windows = windows(&brokers, &topics, bounds)?;
        let mut letters = Vec::new();
        scan(&brokers, &windows, |record| {
            letters.push(keep(Letter::new(&by_topic[record.topic], record), record.payload));
            ControlFlow::Continue(())
        })?;
        Ok(letters)
    });
    reading.await.map_err(|error| AdminError::Refused(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::super::letter::Redriven;
    use super::super::letter::tests::letter;
    use super::super::operations::tests::log;
    use super::*;

    fn states(archive: &Archive) -> Vec<(String, &'static str)> {
        archive.letters().map(|(letter, state)| (letter.id.to_string(), state.name())).collect()
    }

    #[test]
    fn a_letter_is_open_until_something_was_done_about_it_or_a_copy() {
        let letters = || vec![letter("payment/0/1", &["no"]), letter("payment/0/2", &["no"])];
        let redrive = letters()[0].redrive_id();
        let archive = Archive::new(letters(), OperationLog::default());
        let expected = [("payment/0/1".into(), "open"), ("payment/0/2".into(), "copy")];
        assert_eq!(states(&archive), expected);
        for (kind, state) in [(Kind::Redrive, "redriven"), (Kind::Discard, "discarded")] {
            let archive = Archive::new(letters(), log(kind, &[("payment/0/1", redrive)]));
            assert!(states(&archive).iter().all(|(_, is)| *is == state), "{state}");
        }
        let taken_back = log(Kind::Undiscard, &[("payment/0/1", redrive)]);
        assert_eq!(states(&Archive::new(letters(), taken_back)), expected);
    }

    /// As when a redrive was killed after publishing and before it took note of it.
    #[test]
    fn a_letter_that_came_back_was_redriven_whatever_the_log_says() {
        let first = letter("payment/0/1", &["no"]);
        let how = Redriven { by: "ada", at: Timestamp::now(), reason: None };
        let mut back = letter("payment/0/2", &["again"]);
        back.headers.extend(first.redriven(&how).unwrap().headers);
        let archive = Archive::new(vec![first, back], OperationLog::default());
        let expected = [("payment/0/1".into(), "redriven"), ("payment/0/2".into(), "open")];
        assert_eq!(states(&archive), expected);
        let id = "payment/0/1".parse().unwrap();
        let Some((_, State::Redriven { act: None, came_back: Some(back) })) = archive.find(&id)
        else {
            panic!("not redriven")
        };
        assert_eq!(back.to_string(), "payment/0/2");
    }
}

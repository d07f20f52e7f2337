//! A check: all rules over all versions, all readers, and what the services declare.

mod across;
mod declared;
mod evolution;
mod history;
mod reading;

use contracts::Declared;
use jiff::civil::Date;
use serde::Serialize;

use crate::accepted::accept;
use crate::draft::{Draft, Grade};
use crate::finding::{Finding, User};
use crate::path::Path;
use crate::rule::{Rule, Rules, Verdict};
use crate::tree::{Reader, Tree, Writer};

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Contracts {
    /// The schemas and readers as they are to be.
    pub tree: Tree,
    /// Those that are released.
    pub before: Option<Before>,
    /// What the registry says of each subject.
    pub subjects: Vec<Subject>,
    /// What running instances declare.
    pub running: Vec<Declared>,
    /// The day by which accepted findings expire.
    pub today: Date,
    /// The rules to check by.
    pub rules: Rules,
}

/// A state with which the tree is compared.
#[derive(Debug, Clone)]
pub struct Before {
    /// What it is of, such as `git:origin/main` or `the registry`.
    pub of: String,
    /// The state.
    pub tree: Tree,
    /// Whether it knows who reads what, and what the services declare.
    pub has_readers: bool,
}

/// What the registry says of an event's subject.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Who emits the event.
    pub service: String,
    /// Its type.
    pub event: String,
    /// With what a next version must be compatible.
    pub compatibility: String,
    /// The versions that are deleted there.
    pub deleted: Vec<u32>,
}

/// What a check has found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// How many versions of how many events there are.
    pub versions: usize,
    /// How many events.
    pub events: usize,
    /// How many pairs of versions were compared, and of versions and readers.
    pub pairs: usize,
    /// How many values were read in both ways.
    pub values: usize,
    /// In which order to deploy; empty if nothing has changed.
    pub order: Vec<String>,
}

impl Report {
    /// Whether anything is broken that is not accepted.
    pub fn is_broken(&self) -> bool {
        self.count(Verdict::Broken) > 0
    }

    /// How many findings there are of this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

impl Contracts {
    /// A tree by itself, by all rules.
    pub fn of(tree: Tree, today: Date) -> Self {
        Self {
            tree,
            before: None,
            subjects: Vec::new(),
            running: Vec::new(),
            today,
            rules: Rules::all(),
        }
    }

    /// Checks all of it.
    pub fn check(&self) -> Report {
        let (readers, mut found) = (self.readers(), Found::new(&self.rules));
        let mut pairs = 0;
        let mut values = 0;
        for versions in self.all_versions() {
            pairs += evolution::check(&versions, &readers, &mut found);
            let (of, read) = reading::check(&versions, &readers, &mut found);
            pairs += of;
            values += read;
        }
        across::check(self, &mut found);
        declared::check(self, &mut found);
        history::check(self, &readers, &mut found);
        let mut findings = found.findings;
        accept(self, &mut findings);
        findings.retain(|finding| self.rules.has(finding.rule));
        findings.sort_by(|a, b| (a.verdict, &a.path, a.rule).cmp(&(b.verdict, &b.path, b.rule)));
        findings.dedup();
        Report {
            findings,
            versions: self.tree.writers.len(),
            events: self.tree.by_event().count(),
            pairs,
            values,
            order: crate::deploy::order(self),
        }
    }

    /// Each event's versions, with those that are not in the tree any more: their events are still in
    /// the topics.
    fn all_versions(&self) -> Vec<Vec<&Writer>> {
        let before = self.before.iter().flat_map(|before| &before.tree.writers);
        let is_gone = |it: &&Writer| !self.tree.writers.iter().any(|now| is_same_version(now, it));
        let mut all: Vec<&Writer> =
            self.tree.writers.iter().chain(before.filter(is_gone)).collect();
        all.sort_by_key(|it| (&it.service, &it.event, it.version));
        let same = |a: &&Writer, b: &&Writer| a.service == b.service && a.event == b.event;
        all.chunk_by(same).map(<[&Writer]>::to_vec).collect()
    }

    /// The tree's readers and the running ones.
    fn readers(&self) -> Vec<Reader> {
        let mut running = Tree::default();
        self.running.iter().for_each(|declared| running.add_running(declared));
        self.tree.readers.iter().cloned().chain(running.readers).collect()
    }
}

pub(crate) fn is_same_version(a: &Writer, b: &Writer) -> bool {
    a.service == b.service && a.event == b.event && a.version == b.version
}

/// What was found so far.
struct Found<'a> {
    rules: &'a Rules,
    findings: Vec<Finding>,
    /// The places that are broken for a reader, so that nothing is said twice.
    hurt: Vec<(String, Path)>,
}

impl<'a> Found<'a> {
    fn new(rules: &'a Rules) -> Self {
        Self { rules, findings: Vec::new(), hurt: Vec::new() }
    }

    fn push(&mut self, finding: Finding) {
        if self.rules.has(finding.rule) {
            self.findings.push(finding);
        }
    }

    /// A finding about a version, and those of its readers who name what it is about.
    fn about_writer(&mut self, draft: Draft, writer: &Writer, readers: &[&Reader]) {
        if !self.rules.has(draft.rule) {
            return;
        }
        let paths: Vec<&Path> = [&draft.path].into_iter().chain(&draft.before).collect();
        let use_at = |reader: &Reader| paths.iter().find_map(|path| use_of(reader, path));
        let named: Vec<(&Reader, User)> =
            readers.iter().filter_map(|reader| Some((*reader, use_at(reader)?))).collect();
        let verdict = match draft.grade {
            Grade::Note => Verdict::Note,
            Grade::Risky => Verdict::Risky,
            Grade::IfRead if named.is_empty() => Verdict::Risky,
            Grade::Broken | Grade::IfRead => Verdict::Broken,
        };
        if verdict == Verdict::Broken {
            let hurt = named.iter().flat_map(|(reader, _)| {
                paths.iter().map(|path| (reader.path(&""), (*path).clone()))
            });
            self.hurt.extend(hurt);
        }
        let users = named.into_iter().map(|(_, user)| user).collect();
        let place = writer.source.place(&draft.at);
        self.push(finding(draft, verdict, |path| writer.path(path), place, users));
    }

    /// A finding about a reader.
    fn about_reader(&mut self, draft: Draft, reader: &Reader) {
        if !self.rules.has(draft.rule) {
            return;
        }
        let verdict = match draft.grade {
            Grade::Note => Verdict::Note,
            Grade::Risky => Verdict::Risky,
            Grade::Broken | Grade::IfRead => Verdict::Broken,
        };
        if verdict == Verdict::Broken {
            self.hurt.push((reader.path(&""), draft.path.clone()));
        }
        let place = reader.source.place(&draft.at);
        let user =
            User { service: reader.service.clone(), place: place.clone(), uses: String::new() };
        self.push(finding(draft, verdict, |path| reader.path(path), place, vec![user]));
    }

    /// Whether a rule has said something about this path.
    fn is_told(&self, rule: Rule, path: &str) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule && finding.path == path)
    }

    /// Whether it is known already that a reader is hurt there.
    fn is_hurt(&self, reader: &Reader, path: &Path) -> bool {
        let reader = reader.path(&"");
        self.hurt.iter().any(|(known, at)| *known == reader && at.touches(path))
    }
}

fn finding(
    draft: Draft,
    verdict: Verdict,
    path: impl Fn(&Path) -> String,
    place: Option<crate::finding::Place>,
    users: Vec<User>,
) -> Finding {
    Finding {
        rule: draft.rule,
        verdict,
        path: path(&draft.path),
        what: draft.what,
        why: draft.why,
        mend: draft.mend.unwrap_or_else(|| draft.rule.mend().to_owned()),
        paste: draft.paste,
        place,
        users,
        accepted: None,
    }
}

/// Where a reader names what is at a path, if it does. All of it is named by whoever reads the event.
fn use_of(reader: &Reader, path: &Path) -> Option<User> {
    let schema = reader.schema.as_ref().ok()?;
    let service = reader.service.clone();
    if path.steps().is_empty() {
        return Some(User { service, place: reader.source.place(""), uses: String::new() });
    }
    let field = schema.find(path)?;
    let place = reader.source.place(&field.at);
    Some(User { service, place, uses: field.doc.clone() })
}

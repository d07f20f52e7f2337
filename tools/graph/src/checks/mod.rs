mod cycles;
mod names;
mod schemas;
mod settling;
mod undoing;
mod waits;

#[cfg(test)]
mod tests;

pub(crate) use names::own_accord;

use crate::{Finding, Graph};

impl Graph<'_> {
    /// What the checks find, the worst first. Nothing is found of a graph in which every saga comes to
    /// an end, and what was done for one that fails is undone.
    pub fn findings(self) -> Vec<Finding> {
        let checks = [
            names::findings,
            cycles::findings,
            undoing::findings,
            settling::findings,
            waits::findings,
            names::stale,
        ];
        let mut findings: Vec<Finding> = checks.iter().flat_map(|check| check(self)).collect();
        findings.sort_by_key(|it| it.verdict);
        findings
    }
}

//! The objectives: what is promised of the fleet, and how it is counted.
//!
//! [`OBJECTIVES`] is the table. From it follow the rules that Prometheus evaluates (recorded shares per
//! window, alerts by how fast a budget burns, and what is left of it), and the same as Sloth reads it.
//! `docs/objectives.md` says what each means.

mod rules;
mod sloth;
mod table;

use declarations::Fleet;

pub use self::table::{OBJECTIVES, Objective, Sli};

/// Where the rules are, from the root of the tree.
pub const RULES: &str = "deploy/observability/rules/objectives.yml";
/// Where the specification for Sloth is, from the root of the tree.
pub const SLOTH: &str = "deploy/observability/optional/sloth.yml";

/// All files that follow from the objectives, for the services of this fleet: their paths from the root of
/// the tree, and what is in them.
pub fn files(fleet: &Fleet) -> Vec<(String, String)> {
    let objectives: Vec<&Objective> = OBJECTIVES.iter().filter(|it| it.is_of(fleet)).collect();
    vec![
        (RULES.to_owned(), rules::rules(&objectives)),
        (SLOTH.to_owned(), sloth::sloth(&objectives)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_without_a_service_has_none_of_its_objectives() {
        let services = Fleet::embedded().services().to_vec();
        let without: Vec<_> = services.into_iter().filter(|it| it.service != "payment").collect();
        let rules = |fleet: &Fleet| files(fleet).swap_remove(0).1;
        assert!(rules(&Fleet::embedded()).contains("objective: refunds-in-time"));
        let rules = rules(&Fleet::new(without).unwrap());
        assert!(!rules.contains("refunds-in-time") && rules.contains("objective: orders-taken"));
    }
}

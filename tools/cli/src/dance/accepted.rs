//! Differences that somebody expects for a while.

use std::path::Path;

use compatibility::{ACCEPTED, Accepted};
use graph::Observed;
use jiff::civil::Date;

use crate::command_line::Misused;

/// What is accepted by this file, or by that of the tree that this was built from.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Vec<Accepted>> {
    let Some(file) = file else { return Ok(Accepted::embedded()) };
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Misused(format!("{name}: {error}")))?;
    Accepted::read(&text).map_err(|error| Misused(format!("{name}: {error}")).into())
}

/// Makes notes of the differences that are accepted today. What has expired is wrong again, and says so;
/// that an entry matches nothing is said, too, for it would hide the next difference of its kind.
pub(crate) fn accept(accepted: &[Accepted], observed: &mut Observed, today: Date) {
    for Accepted { rule, path, reason, until } in accepted.iter().filter(|it| is_difference(it)) {
        let differences = observed.differences.iter_mut();
        let mut found =
            differences.filter(|it| it.rule.name() == *rule && it.path == *path).peekable();
        if found.peek().is_none() {
            observed.left_out.push(format!("{ACCEPTED}: {rule} {path} matches nothing."));
            continue;
        }
        for difference in found {
            if *until < today {
                difference.what = format!("{} It was accepted until {until}.", difference.what);
            } else {
                difference.accept(format!("{reason} (until {until})"));
            }
        }
    }
}

/// Whether it is about what is seen; the others are about schemas.
fn is_difference(accepted: &Accepted) -> bool {
    accepted.rule.starts_with('D')
}

#[cfg(test)]
mod tests {
    use graph::{Difference, Rule, Verdict};

    use super::*;

    fn observed() -> Observed {
        let difference = |path: &str| Difference {
            rule: Rule::UndeclaredReader,
            verdict: Verdict::Wrong,
            path: path.to_owned(),
            what: format!("The group {path} reads order.events."),
            since: None,
            times: 1,
            examples: Vec::new(),
            mend: String::new(),
            accepted: None,
        };
        let differences = vec![difference("bi-export"), difference("somebody")];
        Observed { records: 1, differences, left_out: Vec::new() }
    }

    fn entry(rule: &str, path: &str) -> String {
        format!(
            "[[accepted]]\nrule = \"{rule}\"\npath = \"{path}\"\nreason = \"finance\"\nuntil = \"2027-01-31\"\n"
        )
    }

    #[test]
    fn what_is_accepted_is_a_note_until_its_day() {
        let accepted = Accepted::read(&entry("D6", "bi-export")).unwrap();
        let mut seen = observed();
        accept(&accepted, &mut seen, "2027-01-31".parse().unwrap());
        let wrong: Vec<bool> = seen.differences.iter().map(Difference::is_wrong).collect();
        assert_eq!(wrong, [false, true]);
        assert_eq!(seen.differences[0].accepted.as_deref(), Some("finance (until 2027-01-31)"));

        let mut seen = observed();
        accept(&accepted, &mut seen, "2027-02-01".parse().unwrap());
        assert!(seen.differences[0].is_wrong());
        assert!(seen.differences[0].what.ends_with("It was accepted until 2027-01-31."));
    }

    #[test]
    fn what_matches_nothing_is_told_and_what_is_about_schemas_is_not_looked_at() {
        let text = entry("D7", "bi-export") + &entry("R03", "order/OrderPlaced.v3.total");
        let mut seen = observed();
        accept(&Accepted::read(&text).unwrap(), &mut seen, "2027-01-01".parse().unwrap());
        assert_eq!(seen.left_out, ["contracts/accepted.toml: D7 bi-export matches nothing."]);
        assert!(seen.differences.iter().all(Difference::is_wrong));
        assert!(Accepted::read("[[accepted]]\nrule = 6").is_err());
    }
}

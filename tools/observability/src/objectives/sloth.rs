//! The objectives as Sloth reads them, for those who run it.

use std::fmt::Write as _;

use super::table::{Objective, Sli};

const HEAD: &str = "\
# Made by make docs from the table of objectives (tools/observability): change that, and not this.
#
# For Sloth (sloth generate -i sloth.yml), for those who run it; ../rules/objectives.yml has the same as plain
# rules, with a guard for little traffic that Sloth does not have. Load one of the two. It reads series that
# ../rules records.
version: prometheus/v1
service: farandole
slos:
";

/// The file.
pub(super) fn sloth(objectives: &[&Objective]) -> String {
    let mut text = HEAD.to_owned();
    for objective in objectives {
        one(&mut text, objective);
    }
    text
}

fn one(text: &mut String, objective: &Objective) {
    let Objective { name, promise, percent, service, .. } = objective;
    let service = service.unwrap_or("all");
    let window = |query: &str| query.replace("WINDOW", "{{.window}}");
    let sli = match objective.sli {
        Sli::Events { bad, total, open } => {
            let open = open.map_or(String::new(), |open| format!(" + ({open} or vector(0))"));
            format!(
                "\
events:
        error_query: |
          (({}){open})
        total_query: |
          (({}){open})",
                window(bad),
                window(total)
            )
        }
        Sli::Time { bad } => format!(
            "\
raw:
        error_ratio_query: |
          max(avg_over_time({bad}[{{{{.window}}}}]))"
        ),
    };
    let _ = write!(
        text,
        "  - name: {name}
    objective: {percent}
    description: \"{promise}\"
    labels: {{ of: {service} }}
    sli:
      {sli}
    alerting:
      name: BudgetBurns
      labels: {{ objective: {name} }}
      page_alert:
        labels: {{ severity: page }}
      ticket_alert:
        labels: {{ severity: ticket }}
"
    );
}

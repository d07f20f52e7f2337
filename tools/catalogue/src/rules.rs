//! What who reads events must know.

/// A rule for those who read events: what it is about, and what to do.
pub(crate) struct Rule {
    /// A few words.
    pub(crate) title: &'static str,
    /// What holds, and what follows.
    pub(crate) text: &'static str,
    /// The guarantee behind it, in docs/guarantees.md, if one is.
    pub(crate) guarantee: Option<&'static str>,
}

const fn rule(title: &'static str, text: &'static str, guarantee: &'static str) -> Rule {
    Rule { title, text, guarantee: Some(guarantee) }
}

/// The rules, in the order in which one meets them.
pub(crate) const RULES: [Rule; 9] = [
    rule(
        "An event may come twice",
        "Delivery is at least once. Remember each ce_id with what you did because of it, in one \
         transaction, for longer than the topic keeps records; what you know already, drop.",
        "G2",
    ),
    rule(
        "Order holds per key and service",
        "The key is the order's id. One service's events of one order come in the order of their \
         ce_sequence: 1, 2, 3, without gaps. Between two services, and between two orders, there is no \
         order: be ready for any.",
        "G3",
    ),
    rule(
        "An event may come late",
        "A redrive or a replay brings events from days ago. Decide by what you know of the order, never \
         by when the event arrives; ce_time says when it happened.",
        "G5",
    ),
    rule(
        "Skip what is meant for others",
        "A record with the header farandole_target_group is for the consumer group that it names. All \
         others pass it over.",
        "G2",
    ),
    rule(
        "The type is in the header",
        "A topic holds all events of its service. Look at ce_type first, and pass over types that you \
         don't know: more may come.",
        "G9",
    ),
    rule(
        "Read by the writer's schema",
        "The value begins with a zero byte and the schema's id in the registry, four bytes. Fetch that \
         schema once, and resolve it onto a schema of your own that names only the fields you use.",
        "G9",
    ),
    rule(
        "Fields and values are added, never taken away",
        "Each version can be read as every other (FULL_TRANSITIVE). New fields have defaults. Where a \
         field's values are listed, more may come: have a way for those that you don't know.",
        "G9",
    ),
    rule(
        "The owner speaks, nobody else",
        "An event's type, its topic and its ce_source belong to one service. Don't write into another's \
         topic; say what you have to say as an event of your own.",
        "G9",
    ),
    Rule {
        title: "Personal data stays where it is",
        text: "Fields that are marked hold personal data. Copy them nowhere that you don't have to, and not \
         into logs.",
        guarantee: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_names_a_guarantee_that_there_is() {
        let guarantees = include_str!("../../../docs/guarantees.md");
        for guarantee in RULES.iter().filter_map(|it| it.guarantee) {
            assert!(guarantees.contains(&format!("\n## {guarantee} ")), "{guarantee}");
        }
    }
}

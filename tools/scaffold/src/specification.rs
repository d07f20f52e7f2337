//! docs/choreography.md, which says who emits and who reads each event.

use crate::names::EventRef;

pub(crate) const PATH: &str = "docs/choreography.md";

/// Adds a reader to an event's row.
pub(crate) fn with_reader(text: &str, event: &EventRef, reader: &str) -> Result<String, String> {
    let mut found = false;
    let lines = text.lines().map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, by, readers] = cells.as_slice() else { return line.to_owned() };
        if *name != event.event || *by != event.service {
            return line.to_owned();
        }
        found = true;
        let mut readers: Vec<&str> = readers.split(", ").filter(|name| !name.is_empty()).collect();
        readers.push(reader);
        readers.sort_unstable();
        readers.dedup();
        row(name, by, &readers)
    });
    let lines: Vec<String> = lines.collect();
    if found { Ok(lines.join("\n") + "\n") } else { Err(format!("there is no row for {event}")) }
}

/// Adds a row for an event that nobody reads.
pub(crate) fn with_event(text: &str, event: &EventRef) -> String {
    format!("{}\n{}\n", text.trim_end(), row(&event.event, &event.service, &[]))
}

fn row(event: &str, by: &str, readers: &[&str]) -> String {
    let readers = readers.join(", ");
    let space = if readers.is_empty() { "" } else { " " };
    format!("| {event} | {by} | {readers}{space}|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_and_added() {
        let text =
            "# A\n\n| event | emitted by | read by |\n|---|---|---|\n| B | a | c |\n| C | b | |\n";
        let event = |text: &str| text.parse::<EventRef>().unwrap();
        let changed = with_reader(text, &event("a/B"), "b").unwrap();
        assert!(changed.contains("| B | a | b, c |\n"), "{changed}");
        let changed = with_reader(&changed, &event("b/C"), "a").unwrap();
        assert!(changed.contains("| C | b | a |\n"), "{changed}");
        assert!(with_reader(text, &event("a/C"), "b").is_err());
        assert!(with_event(text, &event("c/D")).ends_with("| C | b | |\n| D | c | |\n"));
    }
}

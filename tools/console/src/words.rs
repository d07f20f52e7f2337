//! Times as people read them.

pub(crate) use cli::age::precise as spell;
use jiff::Timestamp;
use projection::Board;

/// What time it is, by which pages say how long ago something was.
#[cfg(not(test))]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The same in tests, where it does not go on: what they render is always the same.
#[cfg(test)]
pub(crate) fn now() -> Timestamp {
    Timestamp::constant(1_767_438_900, 0)
}

/// Why what is counted may not be so; if it may be.
pub(crate) fn doubt(board: &Board) -> Option<String> {
    board.doubt(now()).map(|doubt| doubt.sentence(spell))
}

/// How long ago that was.
pub(crate) fn ago(then: Timestamp) -> String {
    spell(now().duration_since(then))
}

/// A time of day, in UTC, with the date where that is another than today's.
pub(crate) fn clock(at: Timestamp) -> String {
    let today = now().strftime("%F").to_string();
    let day = at.strftime("%F").to_string();
    let time = at.strftime("%T");
    if day == today { time.to_string() } else { format!("{day} {time}") }
}

/// A status as a service calls it, with the names of its parts: `address: forgotten, cancelled: sent`. The
/// first part stands for itself if it is what the service calls its status.
pub(crate) fn status(service: &str, word: &str) -> String {
    let declared = declarations::fleet().service(service);
    let paths: Vec<&str> =
        declared.into_iter().flat_map(|it| &it.status).map(String::as_str).collect();
    let parts: Vec<&str> = word.split(' ').collect();
    if parts.len() > paths.len() {
        return word.replace('_', " ");
    }
    let named = parts.iter().zip(paths).filter(|(part, _)| **part != "-").map(|(part, path)| {
        let name = path.split('.').rev().find(|name| *name != "status");
        let part = part.replace('_', " ");
        match name {
            Some(name) if name != part => format!("{}: {part}", name.replace('_', " ")),
            _ => part,
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

/// `1 order`, `2 orders`.
pub(crate) fn some(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", thousands(count)) }
}

/// `1,204`.
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_with_the_names_of_its_parts() {
        for (service, word, expected) in [
            ("order", "placed", "placed"),
            ("order", "cancelled timed_out", "cancelled, reason: timed out"),
            ("payment", "charging cancelled", "charging, cancelled"),
            ("notification", "forgotten - - sent", "address: forgotten, cancelled: sent"),
            ("shipping", "awaiting_confirmation", "awaiting confirmation"),
            ("nobody", "odd_one", "odd one"),
        ] {
            assert_eq!(status(service, word), expected);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (count, expected) in
            [(0, "0"), (999, "999"), (1_204, "1,204"), (1_000_000, "1,000,000")]
        {
            assert_eq!(thousands(count), expected);
        }
    }
}

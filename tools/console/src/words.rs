//! Times as people read them.

use jiff::{SignedDuration, Timestamp};

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

/// A duration: `41 ms`, `1.4 s`, `12 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn spell(duration: SignedDuration) -> String {
    let duration = duration.max(SignedDuration::ZERO);
    let seconds = duration.as_secs();
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
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
    fn durations_are_as_exact_as_their_size_asks_for() {
        for (millis, expected) in [
            (-5, "0 ms"),
            (41, "41 ms"),
            (138, "138 ms"),
            (1_400, "1.4 s"),
            (9_949, "9.9 s"),
            (42_400, "42 s"),
            (120_000, "2 min"),
            (252_000, "4 min 12 s"),
            (3_600_000, "1 h"),
            (11_100_000, "3 h 5 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(spell(SignedDuration::from_millis(millis)), expected);
        }
    }

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

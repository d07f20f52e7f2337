use crate::age::{ago, within};
use crate::calls::OpenCall;
use crate::table::table;

/// How much a table shows of an error, in characters.
const ERROR_WIDTH: usize = 60;

/// Foreign text, so that it can be shown: without control characters, and of bounded length.
pub(super) fn shown(text: &str, most: usize) -> String {
    let escaped: String = text.chars().flat_map(char::escape_debug).collect();
    match escaped.char_indices().nth(most) {
        None => escaped,
        Some((end, _)) => format!("{}…", &escaped[..end]),
    }
}

/// Calls as a table.
pub(super) fn calls_table(calls: &[OpenCall]) -> String {
    let header =
        ["CALL", "STATE", "DESTINATION", "TRIES", "FOR", "NEXT TRY", "WHY THE LAST HAD NO OUTCOME"];
    table(header, calls.iter().map(row))
}

fn row(call: &OpenCall) -> [String; 7] {
    let next = if call.held.is_some() { "–".to_owned() } else { within(call.due_at) };
    [
        call.subject().to_string(),
        call.state().to_owned(),
        call.destination.as_deref().map_or_else(|| "–".to_owned(), |name| shown(name, 20)),
        call.attempts.to_string(),
        ago(call.since),
        next,
        call.last_error.as_deref().map_or_else(|| "–".to_owned(), |it| shown(it, ERROR_WIDTH)),
    ]
}

/// `1 call`, `2 calls`.
pub(super) fn number(count: usize) -> String {
    format!("{count} call{}", if count == 1 { "" } else { "s" })
}

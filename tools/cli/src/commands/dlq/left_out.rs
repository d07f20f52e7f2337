use crate::print::one_line;
use crate::recovery::{Chosen, LetterId};

/// How many letters that were left out are named.
const NAMED_MAX: usize = 10;

/// What was asked for and left out, a line each; empty if nothing was.
pub(super) fn left_out(chosen: &Chosen<'_>) -> String {
    let all = &chosen.left_out;
    let line = |(id, why): &(LetterId, String)| format!("{id} is left out: {}\n", one_line(why));
    let named: String = all.iter().take(NAMED_MAX).map(line).collect();
    match all.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}and {more} more are left out\n"),
    }
}

//! Reading the services' states, which are JSON in columns named `state`.

/// SQL for a row's state whose text Postgres can take apart: `json` holds characters that its own
/// functions refuse (U+0000, and halves of surrogate pairs), and one such row fails the whole query.
/// Whoever may write events may cause it. They are replaced by U+FFFD, behind a backslash too many as
/// well, where the result is JSON all the same.
macro_rules! state {
    () => {
        r"regexp_replace(state::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json"
    };
}

/// SQL for whether a row's state has such characters.
macro_rules! is_odd {
    () => {
        r"state::text ~ '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})'"
    };
}

pub(crate) use {is_odd, state};

//! Reading the services' states, which are JSON in columns named `state`.

use contracts::Declared;

/// SQL for a row's state whose text Postgres can take apart: `json` holds characters that its own
/// functions refuse (U+0000, and halves of surrogate pairs), and one such row fails the whole query.
/// Whoever may write events may cause it. They are replaced by U+FFFD, behind a backslash too many as
/// well, where the result is JSON all the same.
pub(crate) const STATE: &str =
    r"regexp_replace(state::text, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json";

/// SQL for whether a row's state has such characters.
const IS_ODD: &str = r"state::text ~ '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})'";

/// SQL for the status of a saga in a service, in which `state` is its state: what
/// [`contracts::status_of`] says. Never more of the state than that: some hold personal data.
fn status(service: &Declared) -> String {
    let parts: Vec<String> = service.status.iter().map(|path| part(path)).collect();
    format!("coalesce(nullif(rtrim(concat_ws(' ', {}), ' -'), ''), '-')", parts.join(", "))
}

fn part(path: &str) -> String {
    let members = path.replace('.', ",");
    let (value, text) =
        (format!("stated.state#>'{{{members}}}'"), format!("stated.state#>>'{{{members}}}'"));
    let name = path.rsplit('.').next().unwrap_or(path);
    format!(
        "coalesce(CASE json_typeof({value}) WHEN 'string' THEN {text} WHEN 'number' THEN {text}
           WHEN 'boolean' THEN CASE {text} WHEN 'true' THEN '{name}' END
           WHEN 'object' THEN (SELECT key FROM json_object_keys({value}) AS key LIMIT 1)
           END, '-')"
    )
}

/// SQL for the rows of a service's table of states, to stand after FROM: `saga`, its `status`, whether
/// its state is `odd`, and these of the table's columns. The state is made legible once per row.
pub(crate) fn statuses(service: &Declared, columns: &[&str]) -> String {
    let columns = columns.iter().flat_map(|column| [", kept.", column]).collect::<String>();
    format!(
        "(SELECT kept.saga, {} AS status, {} AS odd{columns}
          FROM {} AS kept CROSS JOIN LATERAL (SELECT {STATE} AS state OFFSET 0) AS stated) AS told",
        status(service),
        IS_ODD.replacen("state", "kept.state", 1),
        service.table
    )
}

/// SQL for whether a row of the table `effects` is a call that its saga waits for no more: one that is
/// open in a status in which the service's part has ended, such as a charge of a cancelled order.
pub fn followed(service: &str) -> String {
    let Some(declared) = declarations::fleet().service(service) else { return "false".to_owned() };
    let has_ended = |status: &&contracts::DeclaredStatus| {
        declared.settles.values().any(|settled| settled.contains(&status.status))
    };
    let ended = declared.statuses.iter().filter(has_ended).filter(|it| !it.calls.is_empty());
    let ended: Vec<String> =
        ended.map(|it| format!("'{}'", it.status.replace('\'', "''"))).collect();
    if ended.is_empty() {
        return "false".to_owned();
    }
    format!(
        "EXISTS (SELECT FROM {} WHERE told.saga = effects.saga AND told.status IN ({}))",
        statuses(declared, &[]),
        ended.join(", ")
    )
}

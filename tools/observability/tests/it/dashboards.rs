//! The dashboards as Grafana reads them, held against rules. Each rule is a function that lists what breaks
//! it, and is shown to bite.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use declarations::Fleet;
use farandole_observability::dashboards;
use serde_json::{Value, json};

/// Metrics of Prometheus itself and of any process.
const OF_OTHERS: [&str; 9] = [
    "up",
    "ALERTS",
    "ALERTS_FOR_STATE",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// The metrics that there are, from the list that is rendered from the programs' code. Of a histogram, the
/// name without `_bucket`, `_count` and `_sum`.
fn listed() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let list = fs::read_to_string(list).unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.chain(OF_OTHERS).map(str::to_owned).collect()
}

/// What queries may name besides the variables that a dashboard has.
const BUILT_IN: [&str; 4] = ["__rate_interval", "__range", "__url_time_range", "__field"];

/// The dashboards as they are in files.
fn dashboards() -> Vec<Value> {
    let files = dashboards::files(&Fleet::embedded());
    files.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect()
}

/// What is in this list; nothing, if it is none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The panels that show something.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"]).filter(|panel| panel["type"] != "row")
}

/// All queries of a dashboard, those of its marks and variables included.
fn queries(dashboard: &Value) -> Vec<&str> {
    let targets = panels(dashboard).flat_map(|panel| list(&panel["targets"]));
    let marks = list(&dashboard["annotations"]["list"]);
    let variables = list(&dashboard["templating"]["list"]);
    let of_variables = variables.filter_map(|it| it["query"]["query"].as_str());
    targets.chain(marks).map(|it| text(&it["expr"])).chain(of_variables).collect()
}

/// Names that are there more than once.
fn twice<'a>(names: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.map(ToString::to_string).filter(|name| !seen.insert(name.clone())).collect()
}

/// Panels that say too little: no title, description, unit or query.
fn mute(dashboard: &Value) -> Vec<String> {
    let lacks = |panel: &&Value| {
        let defaults = &panel["fieldConfig"]["defaults"];
        let texts = [&panel["title"], &panel["description"], &defaults["unit"]];
        let queries: Vec<&str> = list(&panel["targets"]).map(|it| text(&it["expr"])).collect();
        texts.iter().any(|it| text(it).is_empty())
            || queries.is_empty()
            || queries.iter().any(|query| query.is_empty())
    };
    panels(dashboard).filter(lacks).map(|panel| panel["title"].to_string()).collect()
}

/// Panels that lie upon each other, or are not on the page.
fn misplaced(dashboard: &Value) -> Vec<String> {
    let at = |panel: &Value| {
        let of = |name: &str| panel["gridPos"][name].as_u64().unwrap_or_default();
        (of("x"), of("y"), of("w"), of("h"))
    };
    let panels: Vec<&Value> = list(&dashboard["panels"]).collect();
    let overlap = |one: &Value, other: &Value| {
        let ((x, y, w, h), (x2, y2, w2, h2)) = (at(one), at(other));
        x < x2 + w2 && x2 < x + w && y < y2 + h2 && y2 < y + h
    };
    let wrong = |(index, panel): &(usize, &&Value)| {
        let (x, _, w, h) = at(panel);
        let outside = x + w > u64::from(dashboards::PAGE_WIDTH) || w == 0 || h == 0;
        outside || panels[..*index].iter().any(|other| overlap(panel, other))
    };
    panels.iter().enumerate().filter(wrong).map(|(_, it)| it["title"].to_string()).collect()
}

/// Variables that queries, links or data sources name and that the dashboard does not have.
fn unknown_variables(dashboard: &Value) -> BTreeSet<String> {
    let has: Vec<&str> =
        list(&dashboard["templating"]["list"]).map(|it| text(&it["name"])).collect();
    let text = dashboard.to_string();
    let named = text.split('$').skip(1).map(|after| {
        let name = after.trim_start_matches('{');
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        name[..end.unwrap_or(name.len())].to_owned()
    });
    named
        .filter(|name| !has.contains(&name.as_str()) && !BUILT_IN.contains(&name.as_str()))
        .collect()
}

/// Data sources that are baked in, where others would have none of that name.
fn baked_in(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("datasource").filter(|it| it["uid"] != "${datasource}");
            own.map(ToString::to_string)
                .into_iter()
                .chain(members.values().flat_map(baked_in))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(baked_in).collect(),
        _ => Vec::new(),
    }
}

/// Links to dashboards that are none.
fn dead_links(dashboard: &Value, uids: &BTreeSet<String>) -> Vec<String> {
    let of_panels = panels(dashboard).flat_map(|panel| list(&panel["links"]));
    let of_series =
        panels(dashboard).flat_map(|panel| list(&panel["fieldConfig"]["defaults"]["links"]));
    let links =
        list(&dashboard["links"]).chain(of_panels).chain(of_series).map(|link| text(&link["url"]));
    let leads = |url: &&str| {
        let uid = url.strip_prefix("/d/").and_then(|rest| rest.split('?').next());
        uid.is_some_and(|uid| uids.contains(uid))
    };
    links.filter(|url| !leads(url)).map(ToOwned::to_owned).collect()
}

/// The metrics that a query names: what is left of it without texts, labels and ranges, and is neither a
/// function nor an operator.
fn metrics(query: &str) -> BTreeSet<String> {
    const WORDS: [&str; 6] = ["or", "and", "unless", "offset", "bool", "NaN"];
    const BEFORE_LABELS: [&str; 6] =
        ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let (mut found, mut rest) = (BTreeSet::new(), query);
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let skip = |after: &'_ str, until: char| after.find(until).map_or(after.len(), |at| at + 1);
        rest = match first {
            '"' => &rest[1 + skip(&rest[1..], '"')..],
            '{' => &rest[skip(rest, '}')..],
            '[' => &rest[skip(rest, ']')..],
            _ if is_name(first) => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                let (word, after) = (&rest[..end], rest[end..].trim_start());
                if BEFORE_LABELS.contains(&word) {
                    &after[skip(after, ')')..]
                } else {
                    let before = ["(", "by ", "without "];
                    let is_function = before.iter().any(|it| after.starts_with(it));
                    if !is_function && !WORDS.contains(&word) && !first.is_ascii_digit() {
                        found.insert(word.to_owned());
                    }
                    after
                }
            }
            _ => &rest[first.len_utf8()..],
        };
    }
    found
}

/// What the rules record.
fn recorded() -> BTreeSet<String> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/observability/rules");
    let files = fs::read_dir(rules).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|file| file.is_file()).map(|file| fs::read_to_string(file).unwrap());
    let name = |line: &str| Some(line.split_once("record: ")?.1.trim().to_owned());
    texts.flat_map(|text| text.lines().filter_map(name).collect::<Vec<_>>()).collect()
}

/// The metrics that a dashboard names and that nobody has or records.
fn unknown_metrics(dashboard: &Value) -> BTreeSet<String> {
    let (recorded, listed) = (recorded(), listed());
    let known = |metric: &str| {
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|end| metric.strip_suffix(end));
        recorded.contains(metric)
            || listed.contains(metric)
            || part.is_some_and(|whole| listed.contains(whole))
    };
    // `label_values(metric, label)`: the label is none.
    let values = |query: &str| {
        let metric = query.strip_prefix("label_values(").and_then(|it| it.split(',').next());
        metric.unwrap_or(query).to_owned()
    };
    let queries = queries(dashboard).into_iter().map(values);
    queries.flat_map(|query| metrics(&query)).filter(|metric| !known(metric)).collect()
}

fn nothing<T: Default + PartialEq + std::fmt::Debug>(found: &T, rule: &str, dashboard: &Value) {
    assert_eq!(*found, T::default(), "{rule}: {}", dashboard["title"]);
}

#[test]
fn dashboards_and_their_panels_are_told_apart() {
    let all = dashboards();
    assert_eq!(twice(all.iter().map(|it| &it["uid"])), Vec::<String>::new());
    for dashboard in &all {
        let ids = || list(&dashboard["panels"]).map(|panel| &panel["id"]);
        nothing(&twice(ids()), "two panels have one id", dashboard);
    }
    assert_eq!(twice([json!(1), json!(2), json!(1)].iter()), ["1"]);
}

#[test]
fn each_panel_says_what_it_shows_and_in_which_unit() {
    for dashboard in &dashboards() {
        nothing(&mute(dashboard), "panels without words, unit or query", dashboard);
        assert!(!text(&dashboard["description"]).is_empty(), "{}", dashboard["title"]);
    }
    for (part, at) in [("description", "/description"), ("unit", "/fieldConfig/defaults/unit")] {
        let mut broken = dashboards().remove(0);
        *broken["panels"][0].pointer_mut(at).unwrap() = json!("");
        assert_eq!(mute(&broken).len(), 1, "{part}");
    }
    let mut broken = dashboards().remove(0);
    broken["panels"][0]["targets"] = json!([]);
    assert_eq!(mute(&broken).len(), 1);
}

#[test]
fn no_panel_lies_upon_another() {
    for dashboard in &dashboards() {
        nothing(&misplaced(dashboard), "panels that are in each other's place", dashboard);
    }
    let mut broken = dashboards().remove(0);
    broken["panels"][1]["gridPos"]["x"] = json!(3);
    assert_eq!(misplaced(&broken).len(), 1);
    broken["panels"][1]["gridPos"]["x"] = json!(22);
    assert!(!misplaced(&broken).is_empty());
}

#[test]
fn variables_are_there_and_no_data_source_is_baked_in() {
    for dashboard in &dashboards() {
        nothing(&unknown_variables(dashboard), "unknown variables", dashboard);
        nothing(&baked_in(dashboard), "data sources that are baked in", dashboard);
    }
    let mut broken = dashboards().remove(0);
    broken["panels"][0]["targets"][0]["expr"] = json!(r#"up{job="$jobs"}"#);
    assert_eq!(unknown_variables(&broken), BTreeSet::from(["jobs".to_owned()]));
    broken["panels"][0]["datasource"]["uid"] = json!("prometheus");
    assert_eq!(baked_in(&broken).len(), 1);
}

#[test]
fn links_lead_to_dashboards() {
    let all = dashboards();
    let uids: BTreeSet<String> = all.iter().map(|it| text(&it["uid"]).to_owned()).collect();
    for dashboard in &all {
        nothing(&dead_links(dashboard, &uids), "dead links", dashboard);
    }
    let elsewhere = BTreeSet::from(["elsewhere".to_owned()]);
    assert!(dead_links(&all[0], &elsewhere).len() >= all.len() - 1);
}

#[test]
fn queries_name_metrics_that_there_are() {
    for dashboard in &dashboards() {
        nothing(&unknown_metrics(dashboard), "unknown metrics", dashboard);
    }
    let mut broken = dashboards().remove(0);
    broken["panels"][0]["targets"][0]["expr"] =
        json!("sum by (a) (rate(farandole_nothing_total[5m]))");
    assert_eq!(unknown_metrics(&broken), BTreeSet::from(["farandole_nothing_total".to_owned()]));
}

#[test]
fn what_a_query_names_is_found() {
    let query = r#"100 * a:b{x="y{", z=~"w"} / on (job) group_left (x) sum by (job) (rate(c_total[5m]
        offset 1m)) or vector(0) unless d"#;
    let found: Vec<String> = metrics(query).into_iter().collect();
    assert_eq!(found, ["a:b", "c_total", "d"]);
}

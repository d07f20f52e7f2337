//! Dashboards as Grafana reads them.

use serde_json::{Map, Value, json};

use super::colour::Colour;
use super::layout::{Place, Placed, places};
use super::panel::{Dashboard, Kind, Mark, Panel, Target, Unit, Variable};
use super::service;

/// The form of the JSON; Grafana reads older ones than its own.
const SCHEMA_VERSION: u32 = 39;

/// Points are not closer than this. A rate is over a little more, so one event shows as one hill and not as
/// a needle.
const INTERVAL: &str = "30s";

/// How long between two looks.
const REFRESH: &str = "10s";

/// A dashboard's file; the others are those that it links to.
pub(super) fn text(dashboard: &Dashboard, all: &[Dashboard]) -> String {
    let text = format!("{:#}", json(dashboard, all));
    text + "\n"
}

fn json(dashboard: &Dashboard, all: &[Dashboard]) -> Value {
    let placed = places(&dashboard.rows).into_iter().enumerate();
    let panels: Vec<Value> = placed
        .map(|(at, (it, place))| match it {
            Placed::Title(title) => title_json(at + 1, title, place),
            Placed::Panel(panel) => panel_json(at + 1, panel, place),
        })
        .collect();
    let variables = [data_source()].into_iter().chain(dashboard.variables.iter().map(variable));
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["farandole"],
        "editable": true,
        "graphTooltip": 1,
        "refresh": REFRESH,
        "time": { "from": format!("now-{}", dashboard.since), "to": "now" },
        "timezone": "browser",
        "templating": { "list": variables.collect::<Vec<_>>() },
        "annotations": { "list": dashboard.marks.iter().map(mark).collect::<Vec<_>>() },
        "links": all.iter().filter(|it| it.uid != dashboard.uid).map(link).collect::<Vec<_>>(),
        "panels": panels,
    })
}

/// The data source that was chosen: none is baked in.
fn chosen() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn data_source() -> Value {
    json!({
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "refresh": 1,
    })
}

fn variable(variable: &Variable) -> Value {
    let Variable { name, label, query, first } = variable;
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": chosen(),
        "query": { "query": query, "refId": name },
        "definition": query,
        "current": { "text": first, "value": first },
        // Whenever the time changes: a service may have come.
        "refresh": 2,
        "sort": 1,
    })
}

fn mark(mark: &Mark) -> Value {
    json!({
        "name": mark.name,
        "datasource": chosen(),
        "enable": true,
        "expr": mark.expr,
        "step": "30s",
        "titleFormat": mark.says,
        "iconColor": mark.colour.rgb(),
    })
}

fn link(to: &Dashboard) -> Value {
    json!({
        "type": "link",
        "title": to.title,
        "tooltip": to.description,
        "url": format!("/d/{}", to.uid),
        "icon": "dashboard",
        "keepTime": true,
    })
}

fn title_json(id: usize, title: &str, place: Place) -> Value {
    json!({
        "id": id,
        "type": "row",
        "title": title,
        "collapsed": false,
        "gridPos": position(place),
        "panels": [],
    })
}

fn position(Place { x, y, w, h }: Place) -> Value {
    json!({ "x": x, "y": y, "w": w, "h": h })
}

fn panel_json(id: usize, panel: &Panel, place: Place) -> Value {
    let mut json = json!({
        "id": id,
        "type": kind(panel.kind),
        "title": panel.title,
        "description": panel.description,
        "datasource": chosen(),
        "gridPos": position(place),
        "interval": INTERVAL,
        "fieldConfig": { "defaults": defaults(panel), "overrides": overrides(panel) },
        "options": options(panel),
        "targets": targets(panel),
        "transformations": transformations(panel),
    });
    if let Some(uid) = panel.see {
        let url = format!("/d/{uid}?${{__url_time_range}}");
        json["links"] = json!([{ "title": "More about this", "url": url }]);
        if uid == service::UID {
            let url = format!("{url}&var-job=${{__field.labels.job}}");
            let link = json!([{ "title": "More about ${__field.labels.job}", "url": url }]);
            json["fieldConfig"]["defaults"]["links"] = link;
        }
    }
    json
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Stat => "stat",
        Kind::Lines | Kind::Stacked => "timeseries",
        Kind::Heatmap => "heatmap",
        Kind::Table => "table",
        Kind::States => "state-timeline",
        Kind::Bars => "bargauge",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count | Unit::Money => "short",
        Unit::PerSecond => "suffix:/s",
        Unit::PerMinute => "suffix:/min",
        Unit::PerHour => "suffix:/h",
        Unit::Seconds => "s",
        Unit::Bytes => "bytes",
        Unit::Share => "percentunit",
    }
}

fn defaults(panel: &Panel) -> Value {
    let mut defaults = json!({
        "unit": unit(panel.unit),
        "min": 0,
        "noValue": panel.nothing,
        "color": colour_mode(panel),
        "custom": custom(panel.kind),
        "thresholds": { "mode": "absolute", "steps": steps(panel) },
        "mappings": mappings(panel),
    });
    if let Some(max) = panel.max {
        defaults["max"] = json!(max);
    }
    defaults
}

/// Whether a panel shows a number that has no labels.
fn is_one_number(panel: &Panel) -> bool {
    panel.kind == Kind::Stat && panel.targets.iter().all(|it| !it.legend.contains("{{"))
}

/// Lines that have no colour of their own are shades of one: a palette has reds in it.
fn colour_mode(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Lines | Kind::Stacked => fixed("shades", panel.base),
        Kind::Stat if panel.thresholds.is_empty() && panel.states.is_empty() => {
            fixed("fixed", panel.base)
        }
        _ => json!({ "mode": "thresholds" }),
    }
}

fn fixed(mode: &str, colour: Colour) -> Value {
    json!({ "mode": mode, "fixedColor": colour.rgb() })
}

fn custom(kind: Kind) -> Value {
    match kind {
        Kind::Lines => json!({ "lineWidth": 1, "fillOpacity": 5, "showPoints": "never" }),
        // Without lines: that of what there is nothing of would be drawn upon the others.
        Kind::Stacked => json!({
            "lineWidth": 0,
            "fillOpacity": 70,
            "showPoints": "never",
            "stacking": { "mode": "normal", "group": "A" },
        }),
        Kind::States => json!({ "lineWidth": 0, "fillOpacity": 80 }),
        Kind::Stat | Kind::Heatmap | Kind::Table | Kind::Bars => json!({}),
    }
}

fn steps(panel: &Panel) -> Vec<Value> {
    let base = json!({ "value": null, "color": panel.base.rgb() });
    let above = panel.thresholds.iter();
    let above = above.map(|(value, colour)| json!({ "value": value, "color": colour.rgb() }));
    [base].into_iter().chain(above).collect()
}

fn mappings(panel: &Panel) -> Value {
    if is_one_number(panel) {
        let nothing = json!({ "text": panel.nothing, "color": Colour::Faint.rgb(), "index": 0 });
        return json!([{
            "type": "special",
            "options": { "match": "null+nan", "result": nothing },
        }]);
    }
    if panel.states.is_empty() {
        return json!([]);
    }
    let states = panel.states.iter().enumerate().map(|(at, (value, name, colour))| {
        let state = json!({ "text": name, "color": colour.rgb(), "index": at });
        (value.to_string(), state)
    });
    json!([{ "type": "value", "options": states.collect::<Map<_, _>>() }])
}

fn overrides(panel: &Panel) -> Vec<Value> {
    let over = |name: &str, property: &str, value: Value| {
        json!({
            "matcher": { "id": "byName", "options": name },
            "properties": [{ "id": property, "value": value }],
        })
    };
    let colours = panel.colours.iter();
    let colours = colours.map(|(name, colour)| over(name, "color", fixed("fixed", *colour)));
    let units = panel.targets.iter().filter_map(|it| Some((&it.legend, it.unit?)));
    colours.chain(units.map(|(title, of)| over(title, "unit", json!(unit(of))))).collect()
}

fn options(panel: &Panel) -> Value {
    let last = json!({ "calcs": ["last"], "fields": "", "values": false });
    match panel.kind {
        Kind::Stat => json!({
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "textMode": if is_one_number(panel) { "value" } else { "value_and_name" },
            "reduceOptions": last,
        }),
        Kind::Lines | Kind::Stacked => json!({
            "legend": { "showLegend": true, "displayMode": "list", "placement": "bottom" },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Heatmap => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {
                "mode": "opacity",
                "fill": panel.base.rgb(),
                "scale": "exponential",
                "exponent": 0.5,
            },
            "filterValues": { "le": 1e-9 },
            "yAxis": { "unit": unit(panel.unit) },
            "rowsFrame": { "layout": "auto" },
            "legend": { "show": false },
            "tooltip": { "mode": "single", "yHistogram": false },
        }),
        Kind::Table => json!({ "cellHeight": "sm", "showHeader": true }),
        Kind::States => json!({
            "mergeValues": true,
            "showValue": "never",
            "alignValue": "left",
            "rowHeight": 0.8,
            "legend": { "showLegend": true, "displayMode": "list", "placement": "bottom" },
            "tooltip": { "mode": "single" },
        }),
        Kind::Bars => json!({
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "color",
            "showUnfilled": false,
            "reduceOptions": last,
        }),
    }
}

fn targets(panel: &Panel) -> Vec<Value> {
    let instant = matches!(panel.kind, Kind::Table | Kind::Bars);
    let format = match panel.kind {
        Kind::Table => "table",
        Kind::Heatmap => "heatmap",
        _ => "time_series",
    };
    let targets = panel.targets.iter().enumerate();
    targets
        .map(|(at, Target { expr: asked, legend, .. })| {
            json!({
                "refId": ref_id(at),
                "datasource": chosen(),
                "expr": expr(panel, asked),
                "legendFormat": legend,
                "format": format,
                "instant": instant,
                "range": !instant,
            })
        })
        .collect()
}

/// What is asked for. Of a series that ended, Grafana shows the last value that it had, however long ago: a
/// number that is not known any more is to be no number.
fn expr(panel: &Panel, asked: &str) -> String {
    if is_one_number(panel) { format!("max({asked}) or vector(NaN)") } else { asked.to_owned() }
}

/// The name of a panel's query: A, B, C and so on.
fn ref_id(at: usize) -> String {
    let letter = u8::try_from(at).ok().and_then(|at| b'A'.checked_add(at)).unwrap_or(b'Z');
    char::from(letter).to_string()
}

/// A table has one row for each set of labels, those labels that it names, and then the values.
fn transformations(panel: &Panel) -> Value {
    if panel.kind != Kind::Table {
        return json!([]);
    }
    let value = |at: usize| match panel.targets.len() {
        1 => "Value".to_owned(),
        _ => format!("Value #{}", ref_id(at)),
    };
    let labels = panel.columns.iter().map(|it| (it.label.to_owned(), it.title));
    let values = panel.targets.iter().enumerate().map(|(at, it)| (value(at), it.legend.as_str()));
    let fields: Vec<(String, &str)> = labels.chain(values).collect();
    let names: Map<String, Value> =
        fields.iter().map(|(field, title)| (field.clone(), json!(title))).collect();
    let order: Map<String, Value> =
        fields.iter().enumerate().map(|(at, (field, _))| (field.clone(), json!(at))).collect();
    let sorted = panel.targets.first().map_or("", |it| it.legend.as_str());
    json!([
        { "id": "merge", "options": {} },
        {
            "id": "organize",
            "options": {
                "excludeByName": { "Time": true },
                "renameByName": names,
                "indexByName": order,
            },
        },
        { "id": "sortBy", "options": { "sort": [{ "field": sorted, "desc": true }] } },
    ])
}

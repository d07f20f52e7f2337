//! One service: all that it says of itself.

use super::colour::{Colour, Colours, STEPS};
use super::panel::{Column, Dashboard, Panel, Row, Unit, Variable};
use super::query::{Quantiles as _, decisions, deploys, looked, quantile};
use super::recovery;

pub(super) const UID: &str = "farandole-service";

/// What does one service do, what holds it up, and what does it take?
pub(super) fn dashboard(colours: &Colours) -> Dashboard {
    Dashboard {
        uid: UID,
        title: "Service",
        description: "What does one service do, what holds it up, and what does it take?",
        variables: vec![Variable {
            name: "job",
            label: "Service",
            query: "label_values(farandole_build_info, job)",
            first: colours.names().next().unwrap_or_default().to_owned(),
        }],
        since: "1h",
        marks: vec![deploys(), decisions()],
        rows: vec![
            Row::sentence(sentence()),
            Row::new("Is it there?", 6, presence()),
            Row::new("Events", 7, events(colours)),
            Row::new("Batches", 7, batches()),
            Row::new("Behind the topics", 7, lag()),
            Row::new("After the commit", 7, after_commit()),
            Row::new("Requests", 7, requests()),
            Row::new("The process", 7, process()),
        ],
    }
}

fn sentence() -> Vec<Panel> {
    vec![
        Panel::stat("Ready", "Instances that say they are ready.")
            .base(Colour::Page)
            .above(1.0, Colour::Good)
            .query("instances", r#"sum(farandole_ready{job="$job", part="all"}) or vector(0)"#),
        Panel::table(
            "What runs",
            "How many instances run which version.",
            &[Column { label: "version", title: "Version" }],
        )
        .width(4)
        .column(
            "Instances",
            Unit::Count,
            r#"count by (version) (farandole_build_info{job="$job"})"#,
        )
        .nothing("none runs"),
        Panel::stat("Events a second", "What it reads and processes.").unit(Unit::PerSecond).query(
            "events",
            r#"sum(rate(farandole_events_consumed_total{job="$job"}[$__rate_interval]))"#,
        ),
        Panel::stat("Lag", "How old the first record is that it has not read.")
            .unit(Unit::Seconds)
            .good_below(10.0, Colour::Notable)
            .above(60.0, Colour::Page)
            .query("lag", r#"max(farandole_consumer_lag_seconds{job="$job"})"#),
        Panel::stat(
            "Dead letters open",
            "Records that it gave up and that nobody has seen to yet.",
        )
        .good_below(1.0, Colour::Ticket)
        .query("letters", looked("letters", r#"max(farandole_dead_letters_open{service="$job"})"#))
        .see(recovery::UID),
        Panel::stat("Restarts", "How often its processes began anew in the time shown.")
            .good_below(1.0, Colour::Notable)
            .query(
                "restarts",
                r#"sum(changes(process_start_time_seconds{job="$job"}[$__range])) or vector(0)"#,
            ),
    ]
}

fn presence() -> Vec<Panel> {
    let seen = |what: &str| format!(r#"max({what}{{service="$job"}})"#);
    vec![
        Panel::states(
            "Its parts",
            "What it needs to work, and whether at least one instance has it; \"all\" is all of them.",
        )
        .state(0, "not ready", Colour::Page)
        .state(1, "ready", Colour::Good)
        .query("{{part}}", r#"max by (part) (farandole_ready{job="$job"})"#)
        .nothing("none runs"),
        Panel::states(
            "As seen from outside",
            "Whether it answers when it is asked, and whether it then says that it is ready.",
        )
        .width(6)
        .state(0, "no", Colour::Page)
        .state(1, "yes", Colour::Good)
        .query("answers", seen("farandole_service_answers"))
        .query("ready", seen("farandole_service_ready")),
        Panel::lines(
            "Members of its group",
            "Instances that Kafka takes for members of its consumer group.",
        )
        .width(6)
        .query("members", seen("farandole_group_members")),
    ]
}

fn events(colours: &Colours) -> Vec<Panel> {
    let delay = quantile("0.95", "type", r#"farandole_event_delay_seconds{job="$job"}"#);
    vec![
        Panel::lines("Read, by type", "Events that it processed.")
            .unit(Unit::PerSecond)
            .width(8)
            .query("{{type}}", by_type("farandole_events_consumed_total"))
            .colours(colours.events()),
        Panel::lines("Published, by type", "Events that it said.")
            .unit(Unit::PerSecond)
            .width(8)
            .query("{{type}}", by_type("farandole_events_published_total"))
            .colours(colours.events()),
        Panel::lines(
            "How long events take: 95 of 100 within",
            "From when an event was written until what follows from it is committed here.",
        )
        .unit(Unit::Seconds)
        .width(8)
        .query("{{type}}", delay)
        .nothing("nothing to measure")
        .colours(colours.events()),
    ]
}

fn by_type(counter: &str) -> String {
    format!(r#"sum by (type) (rate({counter}{{job="$job"}}[$__rate_interval]))"#)
}

fn batches() -> Vec<Panel> {
    vec![
        Panel::lines("Records in a transaction", "How many records share a transaction.")
            .width(8)
            .quantiles(r#"farandole_batch_size{job="$job"}"#),
        Panel::lines("How long a transaction takes", "From its first record to the stored offsets.")
            .unit(Unit::Seconds)
            .width(8)
            .quantiles(r#"farandole_batch_duration_seconds{job="$job"}"#),
        Panel::lines(
            "Out of the ordinary",
            "A minute: conflicts are decided on again, duplicates dropped, failures tried again. The \
             first two do no harm.",
        )
        .unit(Unit::PerMinute)
        .width(8)
        .query("conflicts", a_minute("farandole_conflicts_total"))
        .query("duplicates", a_minute("farandole_duplicates_total"))
        .query("retries", a_minute("farandole_retries_total"))
        .query("late", a_minute("farandole_events_late_total"))
        .colours([
            ("conflicts", Colour::Plain),
            ("duplicates", Colour::Faint),
            ("retries", Colour::Notable),
            ("late", Colour::Other(1)),
        ]),
    ]
}

fn a_minute(counter: &str) -> String {
    format!(r#"60 * sum(rate({counter}{{job="$job"}}[$__rate_interval]))"#)
}

fn lag() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Unread records",
            "By the instance that has the partitions, and as the brokers see it.",
        )
        .width(8)
        .query("{{instance}}", by_instance("sum", "farandole_consumer_lag_records"))
        .query("from outside", r#"max(farandole_group_lag_records{service="$job"})"#)
        .colours([("from outside", Colour::Other(1))]),
        Panel::lines(
            "The oldest unread record",
            "By the instance that has the partition, and as the brokers see it.",
        )
        .unit(Unit::Seconds)
        .width(8)
        .query("{{instance}}", by_instance("max", "farandole_consumer_lag_seconds"))
        .query("from outside", r#"max(farandole_group_lag_seconds{service="$job"})"#)
        .colours([("from outside", Colour::Other(1))]),
        Panel::table(
            "Partitions that are behind",
            "The ten with the oldest unread records, and which instance has them.",
            &[
                Column { label: "topic", title: "Topic" },
                Column { label: "partition", title: "Partition" },
                Column { label: "instance", title: "Instance" },
            ],
        )
        .width(8)
        .column("Oldest", Unit::Seconds, behind("farandole_consumer_lag_seconds"))
        .column(
            "Records",
            Unit::Count,
            format!(
                "{} and on (topic, partition, instance) {}",
                r#"sum by (topic, partition, instance) (farandole_consumer_lag_records{job="$job"})"#,
                behind("farandole_consumer_lag_seconds"),
            ),
        )
        .nothing("none is behind"),
    ]
}

fn by_instance(aggregate: &str, gauge: &str) -> String {
    format!(r#"{aggregate} by (instance) ({gauge}{{job="$job"}})"#)
}

fn behind(gauge: &str) -> String {
    format!(r#"topk(10, max by (topic, partition, instance) ({gauge}{{job="$job"}}) > 0)"#)
}

/// What waits after a commit, by its colour.
const WAITING: [(&str, Colour); 3] =
    [("outbox", Colour::Plain), ("retry queue", Colour::Notable), ("open calls", Colour::Other(1))];

fn after_commit() -> Vec<Panel> {
    let completion = quantile("0.95", "step", r#"farandole_effect_completion_seconds{job="$job"}"#);
    vec![
        Panel::lines(
            "Waiting",
            "Events to be published, records to be tried again, calls without a known outcome.",
        )
        .width(6)
        .query("outbox", r#"max(farandole_outbox_backlog{job="$job"})"#)
        .query("retry queue", r#"max(farandole_retry_queue_records{job="$job"})"#)
        .query(
            "open calls",
            r#"sum(max by (step) (farandole_effects_pending{job="$job"})) or vector(0)"#,
        )
        .colours(WAITING),
        Panel::lines("The oldest of them", "How long the oldest of each has waited.")
            .unit(Unit::Seconds)
            .width(6)
            .query("outbox", r#"max(farandole_outbox_age_seconds{job="$job"})"#)
            .query("retry queue", r#"max(farandole_retry_queue_age_seconds{job="$job"})"#)
            .query("open calls", r#"max(farandole_effects_age_seconds{job="$job"}) or vector(0)"#)
            .colours(WAITING),
        Panel::lines(
            "How long calls take, with all tries: 95 of 100 within",
            "From intending a call until its outcome is known.",
        )
        .unit(Unit::Seconds)
        .width(6)
        .query("{{step}}", completion)
        .colours(STEPS)
        .nothing("it makes no calls"),
        Panel::lines(
            "Held up by others",
            "Seconds by which a quota of the brokers slows it, sessions that wait for others' locks, \
             sagas whose next event Kafka does not take, and 1 while it takes in nothing new.",
        )
        .width(6)
        .query("quota, seconds", r#"max(farandole_publish_throttle_seconds{job="$job"})"#)
        .query("locks", r#"max(farandole_sessions_waiting_for_locks{job="$job"})"#)
        .query("refused events", r#"max(farandole_sagas_with_refused_events{job="$job"})"#)
        .query("intake paused", r#"max(farandole_intake_paused{job="$job"})"#)
        .colours([
            ("quota, seconds", Colour::Other(0)),
            ("locks", Colour::Other(1)),
            ("refused events", Colour::Other(2)),
            ("intake paused", Colour::Other(3)),
        ]),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        Panel::lines("Requests, by route", "How many requests it answers.")
            .unit(Unit::PerSecond)
            .width(8)
            .query(
                "{{method}} {{route}}",
                r#"sum by (method, route) (rate(farandole_http_requests_total{job="$job"}[$__rate_interval]))"#,
            )
            .nothing("nobody has asked"),
        Panel::lines(
            "How long they take: 95 of 100 within",
            "From a request's arrival to its answer.",
        )
        .unit(Unit::Seconds)
        .width(8)
        .query(
            "{{method}} {{route}}",
            quantile(
                "0.95",
                "method, route",
                r#"farandole_http_request_duration_seconds{job="$job"}"#,
            ),
        )
        .nothing("nothing to measure"),
        Panel::lines("Requests that failed", "By status, from 500 on: ours, not the client's.")
            .unit(Unit::PerSecond)
            .width(8)
            .query("{{status}}", failed_requests())
            .colours([("none", Colour::Faint)])
            .base(Colour::Page),
    ]
}

fn failed_requests() -> &'static str {
    r#"sum by (status) (rate(farandole_http_requests_total{job="$job", status=~"5.."}[$__rate_interval])) > 0 or label_replace(vector(0), "status", "none", "", "")"#
}

fn process() -> Vec<Panel> {
    let of = |metric: &str| format!(r#"{metric}{{job="$job"}}"#);
    vec![
        Panel::lines("CPU", "Cores that each instance keeps busy.").width(6).query(
            "{{instance}}",
            r#"rate(process_cpu_seconds_total{job="$job"}[$__rate_interval])"#,
        ),
        Panel::lines("Memory", "What each instance has in memory.")
            .unit(Unit::Bytes)
            .width(6)
            .query("{{instance}}", of("process_resident_memory_bytes")),
        Panel::lines("Open files", "The share of the files and connections that it may open.")
            .unit(Unit::Share)
            .max(1.0)
            .width(6)
            .query(
                "{{instance}}",
                format!("{} / {}", of("process_open_fds"), of("process_max_fds")),
            ),
        Panel::lines(
            "Clock",
            "By how much each instance's clock differs from its database server's, in either direction.",
        )
        .unit(Unit::Seconds)
        .width(6)
        .query("{{instance}}", format!("abs({})", of("farandole_clock_offset_seconds"))),
    ]
}

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::commands::{contracts, exit};
use crate::connections::Connections;
use crate::print::{one_line, print, print_json};
use crate::table::table;
use crate::{SchemaReport, SchemaState, Schemas, check_schemas, register_schemas};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Register all events' schemas, before the services that use them are deployed
    ///
    /// Each event's versions are registered in order under its subject, which is set to
    /// FULL_TRANSITIVE compatibility. What is registered already stays as it is, so this can be
    /// run at every deployment. Before that they are checked as by farandole contracts check: what
    /// breaks a reader of the fleet is not registered. Exit codes: 0 all are registered; 1 one is
    /// missing, differs, is refused or breaks a reader; 3 the registry is not there.
    Register(Register),
}

#[derive(clap::Args)]
pub(crate) struct Register {
    /// Only report; exit with 1 if anything is missing or different
    #[arg(long)]
    check: bool,
    /// Take the schemas from here, SERVICE/EVENT.vN.avsc, instead of those built in
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command, connections: &Connections) -> anyhow::Result<ExitCode> {
    let Command::Register(Register { check, dir, json }) = command;
    let schemas = match dir {
        Some(dir) => Schemas::read(&dir)?,
        None => Schemas::embedded(),
    };
    // What breaks a reader of the fleet the registry does not see.
    let broken = contracts::broken(&schemas);
    if let (Some(why), false) = (&broken, check) {
        if json {
            print_json(&json!({"good": false, "broken": why, "schemas": []}))?;
        } else {
            print(&format!("{why}\n\nNothing is registered. Next: see above, and run this again"))?;
        }
        return Ok(exit::of(true, false));
    }
    let registry = connections.registry().await?;
    let topics = &connections.topic_prefix;
    let reports = if check {
        check_schemas(&registry, topics, &schemas).await?
    } else {
        register_schemas(&registry, topics, &schemas).await?
    };
    let good = broken.is_none() && reports.iter().all(|report| report.state.is_good());
    if json {
        let schemas: Vec<Value> = reports.iter().map(as_json).collect();
        print_json(&json!({"good": good, "broken": broken, "schemas": schemas}))?;
    } else {
        let rows = table(["SUBJECT", "VERSION", "ID", "STATE"], reports.iter().map(row));
        let broken = broken.map(|why| format!("{why}\n\n")).unwrap_or_default();
        print(&format!("{broken}{rows}\n\n{}", summary(&reports)))?;
    }
    Ok(exit::of(!good, false))
}

/// What is wrong with a schema, if anything is.
pub(crate) fn unfit(report: &SchemaReport) -> Option<(String, String)> {
    let what = match &report.state {
        SchemaState::Missing => {
            format!("{} version {} is not registered.", report.subject, report.version)
        }
        _ => explain(report)?,
    };
    Some((report.subject.clone(), what))
}

fn as_json(report: &SchemaReport) -> Value {
    let [subject, _, _, state] = row(report);
    let (id, why) = match &report.state {
        SchemaState::Registered(id) | SchemaState::AlreadyThere(id) | SchemaState::Differs(id) => {
            (Some(id), None)
        }
        SchemaState::Unguarded { id, compatibility } => (Some(id), Some(compatibility)),
        SchemaState::Refused(why) => (None, Some(why)),
        SchemaState::Missing => (None, None),
    };
    json!({"subject": subject, "version": report.version, "id": id, "state": state, "why": why})
}

fn row(report: &SchemaReport) -> [String; 4] {
    let (id, state) = match &report.state {
        SchemaState::Registered(id) => (Some(id), "registered now"),
        SchemaState::AlreadyThere(id) => (Some(id), "registered"),
        SchemaState::Missing => (None, "missing"),
        SchemaState::Differs(id) => (Some(id), "differs"),
        SchemaState::Unguarded { id, .. } => (Some(id), "unguarded"),
        SchemaState::Refused(_) => (None, "refused"),
    };
    let id = id.map_or_else(|| "-".to_owned(), ToString::to_string);
    [report.subject.clone(), report.version.to_string(), id, state.to_owned()]
}

/// What is wrong, and what to do next.
fn summary(reports: &[SchemaReport]) -> String {
    let mut lines: Vec<String> = reports.iter().filter_map(explain).collect();
    let all = reports.len();
    let count =
        |wanted: fn(&SchemaState) -> bool| reports.iter().filter(|r| wanted(&r.state)).count();
    let good = count(SchemaState::is_good);
    let new = count(|state| matches!(state, SchemaState::Registered(_)));
    let open = count(|state| matches!(state, SchemaState::Missing | SchemaState::Unguarded { .. }));
    lines.push(if good == all {
        format!(
            "All {all} schemas are registered, {new} of them now. Next: farandole topics create"
        )
    } else if good + open == all {
        format!(
            "{open} of {all} schemas are missing or unguarded. Next: farandole schemas register"
        )
    } else {
        let bad = all - good;
        format!("{bad} of {all} schemas are not registered. Next: see above, and run this again")
    });
    lines.join("\n")
}

fn explain(report: &SchemaReport) -> Option<String> {
    let SchemaReport { subject, version, state } = report;
    let words = match state {
        SchemaState::Differs(id) => format!(
            "another schema is registered in its place, with id {id}. A released schema is never \
             edited: restore it, and add a next version."
        ),
        SchemaState::Unguarded { compatibility, .. } => {
            format!("the subject's compatibility is {compatibility}, not FULL_TRANSITIVE.")
        }
        SchemaState::Refused(reason) => format!(
            "the registry refuses it: {reason}. A next version may only add or drop fields with \
             defaults."
        ),
        _ => return None,
    };
    Some(one_line(&format!("{subject} version {version}: {words}")).into_owned())
}

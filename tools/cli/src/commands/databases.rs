//! The services' databases and roles.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::commands::exit;
use crate::connections::Connections;
use crate::database::{limited, reason};
use crate::print::{print, print_json, remark};
use crate::services;
use crate::table::table;

/// Who looks after the fleet: it reads all databases, sees who is in the way, and may end sessions.
const OPERATOR: &str = "operator";
const OPERATOR_MAY: &str = "pg_read_all_data, pg_read_all_stats, pg_signal_backend";
/// What each database is set to: a session that forgets its transaction keeps others waiting for five
/// minutes at most, and who waits for a lock for a second is in the server's log.
const SETTINGS: [(&str, &str); 2] =
    [("idle_in_transaction_session_timeout", "5min"), ("log_lock_waits", "on")];
/// SQLSTATE: who asks may not (PostgreSQL documentation, appendix A).
const INSUFFICIENT_PRIVILEGE: &str = "42501";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a database for each service, owned by a role of its own, and the operator's role
    ///
    /// What is there is kept, so this can be run at every deployment, and with each new service.
    /// No role may use another's database, but for the operator's, which reads all of them. The
    /// roles' passwords are in the environment, such as ORDER_DATABASE_PASSWORD and
    /// OPERATOR_DATABASE_PASSWORD, or in files that ORDER_DATABASE_PASSWORD_FILE and so on name; a
    /// role that is there keeps its password unless one is given.
    ///
    ///   POSTGRES_ADMIN_URL=postgres://postgres@localhost/postgres farandole databases create
    ///
    /// Exit codes: 0 all is there; 1 something is missing (--check), or was refused; 3 Postgres is
    /// not there.
    #[command(verbatim_doc_comment)]
    Create(Create),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The server, as a role that may create databases and roles
    #[arg(long, env = "POSTGRES_ADMIN_URL", value_name = "URL", hide_env_values = true)]
    postgres_admin_url: PgConnectOptions,
    /// A database beside those of the services, such as the registry's, with a role of its name
    #[arg(long, value_name = "NAME", value_parser = name)]
    also: Vec<String>,
    /// Only report; exit with 1 if anything is missing
    #[arg(long)]
    check: bool,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_name = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_word);
    is_name.then(|| text.to_owned()).ok_or_else(|| "expected a name such as registry".to_owned())
}

/// What was found of a role or a database, or done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    Created,
    Missing,
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Created => "created",
            Self::Missing => "missing",
        }
    }
}

/// The server cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("Postgres: {0}")]
pub(crate) struct Away(String);

pub(crate) async fn run(command: Command, connections: &Connections) -> anyhow::Result<ExitCode> {
    let Command::Create(Create { postgres_admin_url, also, check, json }) = command;
    let server = connections.reach("Postgres", async || {
        let connecting = limited(PgConnection::connect_with(&postgres_admin_url));
        connecting.await.map_err(|error| Away(reason(&error)))
    });
    let server = server.await?;
    let mut maker = Maker { server, options: postgres_admin_url, check, notes: BTreeSet::new() };
    let names: Vec<String> = services().map(str::to_owned).chain(also).collect();
    maker.has_passwords(std::iter::once(OPERATOR).chain(names.iter().map(String::as_str))).await?;
    let operator = maker.role(OPERATOR, &format!("IN ROLE {OPERATOR_MAY}")).await?;
    let mut found = vec![(OPERATOR.to_owned(), operator, None)];
    for name in names {
        let role = maker.role(&name, "").await?;
        let database = maker.database(&name).await?;
        found.push((name, role, Some(database)));
    }
    let is_missing = |state: State| state == State::Missing;
    let missing = found
        .iter()
        .any(|(_, role, database)| is_missing(*role) || database.is_some_and(is_missing));
    if json {
        let all = found.iter().map(|(name, role, database)| {
            json!({"name": name, "role": role.words(), "database": database.map(State::words)})
        });
        print_json(&json!({"good": !missing, "databases": all.collect::<Vec<_>>()}))?;
    } else {
        let rows = found.iter().map(|(name, role, database)| {
            [name.as_str(), role.words(), database.map_or("-", State::words)].map(str::to_owned)
        });
        print(&table(["NAME", "ROLE", "DATABASE"], rows))?;
    }
    maker.notes.iter().for_each(|note| remark(note));
    Ok(exit::of(missing, false))
}

/// Makes what is not there.
struct Maker {
    server: PgConnection,
    options: PgConnectOptions,
    check: bool,
    notes: BTreeSet<String>,
}

impl Maker {
    /// Whether each role that is to be made is given a password: what is missing is told at once.
    async fn has_passwords(&mut self, names: impl Iterator<Item = &str>) -> anyhow::Result<()> {
        if self.check {
            return Ok(());
        }
        let mut missing = Vec::new();
        for name in names {
            let variable = declarations::variable(name, "DATABASE_PASSWORD");
            if password(&variable)?.is_none() && !self.has_role(name).await? {
                missing.push(variable);
            }
        }
        if let Some(one) = missing.first() {
            anyhow::bail!(
                "these roles are not there, and need a password each: set {}; or {one}_FILE and so on to \
                 files that hold them",
                missing.join(", ")
            );
        }
        Ok(())
    }

    async fn has_role(&mut self, name: &str) -> anyhow::Result<bool> {
        self.has("SELECT count(*) FROM pg_roles WHERE rolname = $1", name).await
    }

    /// A role that may log in, and its password.
    async fn role(&mut self, name: &str, also: &str) -> anyhow::Result<State> {
        let is_there = self.has_role(name).await?;
        if self.check {
            return Ok(if is_there { State::There } else { State::Missing });
        }
        let variable = declarations::variable(name, "DATABASE_PASSWORD");
        let password = password(&variable)?;
        match (is_there, password) {
            (true, None) => {}
            (true, Some(password)) => {
                self.execute(&format!("ALTER ROLE {name:?} PASSWORD {password}")).await?;
            }
            (false, Some(password)) => {
                let create = format!("CREATE ROLE {name:?} LOGIN PASSWORD {password} {also}");
                self.execute(&create).await?;
            }
            // It has gone since it was asked for.
            (false, None) => anyhow::bail!("the role {name} is not there, and needs {variable}"),
        }
        Ok(if is_there { State::There } else { State::Created })
    }

    /// A database that its role owns and others may not use.
    async fn database(&mut self, name: &str) -> anyhow::Result<State> {
        let is_there =
            self.has("SELECT count(*) FROM pg_database WHERE datname = $1", name).await?;
        if self.check {
            return Ok(if is_there { State::There } else { State::Missing });
        }
        if !is_there {
            // Who is no superuser gives away only what it could take itself.
            self.execute(&format!("GRANT {name:?} TO CURRENT_USER")).await?;
            self.execute(&format!("CREATE DATABASE {name:?} OWNER {name:?}")).await?;
        }
        self.execute(&format!("REVOKE ALL ON DATABASE {name:?} FROM PUBLIC")).await?;
        self.execute(&format!("GRANT CONNECT ON DATABASE {name:?} TO {OPERATOR}")).await?;
        for (setting, value) in SETTINGS {
            let set = format!("ALTER DATABASE {name:?} SET {setting} = '{value}'");
            let set = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut self.server);
            if let Err(error) = limited(set).await {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                if code.as_deref() != Some(INSUFFICIENT_PRIVILEGE) {
                    return Err(self.explain(&error));
                }
                self.notes.insert(format!(
                    "{setting} is not set to {value}: that takes a superuser; set it for the server"
                ));
            }
        }
        Ok(if is_there { State::There } else { State::Created })
    }

    async fn has(&mut self, query: &'static str, name: &str) -> anyhow::Result<bool> {
        let count = sqlx::query_scalar::<_, i64>(query).bind(name).fetch_one(&mut self.server);
        Ok(limited(count).await.map_err(|error| self.explain(&error))? > 0)
    }

    async fn execute(&mut self, statement: &str) -> anyhow::Result<()> {
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.server);
        limited(done).await.map(drop).map_err(|error| self.explain(&error))
    }

    /// Without the statement, which may hold a password.
    fn explain(&self, error: &sqlx::Error) -> anyhow::Error {
        let (user, host) = (self.options.get_username(), self.options.get_host());
        anyhow::anyhow!("Postgres at {host}, as {user}: {}", reason(error))
    }
}

/// A password as SQL writes it, from a variable or the file that another one names.
fn password(variable: &str) -> anyhow::Result<Option<String>> {
    let file = format!("{variable}_FILE");
    let password = match (std::env::var(variable), std::env::var_os(&file)) {
        (Ok(password), _) => password,
        (Err(_), Some(path)) => {
            let read = std::fs::read_to_string(&path);
            let read = read.map_err(|error| anyhow::anyhow!("{file}: {error}"))?;
            read.trim_end_matches(['\r', '\n']).to_owned()
        }
        (Err(_), None) => return Ok(None),
    };
    if password.is_empty() || password.contains('\0') {
        anyhow::bail!("{variable} is empty, or holds a character that no password may");
    }
    // Unlike a plain text, an escaped one means the same whatever the server is set to.
    let escaped = password.replace('\\', "\\\\").replace('\'', "\\'");
    Ok(Some(format!("E'{escaped}'")))
}

use std::time::Duration;

use declarations::SERVICES;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::Sandbox;

use crate::{Run, output, program};

/// The server is shared with other tests: what this makes has a name of its own.
const ALSO: &str = "created_by_a_test";

async fn create(sandbox: &Sandbox, arguments: &[&str], passwords: &[(&str, &str)]) -> Run {
    let all = [&["databases", "create"], arguments].concat();
    let mut command = program(sandbox, &all);
    let admin = sandbox.stack.postgres_url("postgres");
    command.env("POSTGRES_ADMIN_URL", admin).envs(passwords.iter().copied());
    output(command).await
}

/// All names in one test: roles are the server's.
#[tokio::test]
async fn databases_are_made_once_and_kept() {
    let sandbox = Sandbox::new();
    let also = ["--also", ALSO];
    create(&sandbox, &["--check", "--also", ALSO], &[]).await.exits(1).says(ALSO).says("missing");
    let nothing = create(&sandbox, &also, &[]).await.exits(1);
    nothing.says("set OPERATOR_DATABASE_PASSWORD");

    let variables: Vec<String> = SERVICES
        .iter()
        .chain(&["operator", ALSO])
        .map(|name| format!("{}_DATABASE_PASSWORD", name.to_uppercase()))
        .collect();
    let secret = r"it's \ a secret";
    let passwords: Vec<(&str, &str)> =
        variables.iter().map(|variable| (variable.as_str(), secret)).collect();
    let made = create(&sandbox, &also, &passwords).await.exits(0).says("created");
    assert!(!made.output.contains("secret") && !made.errors.contains("secret"));
    let again = create(&sandbox, &also, &[]).await.exits(0);
    assert!(!again.output.contains("created "), "{}", again.output);
    create(&sandbox, &["--check", "--also", ALSO], &[]).await.exits(0).says("there");

    // Its own role may use it, and no other may; the operator may look.
    let url = |user: &str, database: &str| {
        let whole = sandbox.stack.postgres_url(database);
        let (scheme, rest) = whole.split_once("://").unwrap();
        let (_, host) = rest.split_once('@').unwrap();
        format!("{scheme}://{user}@{host}")
    };
    let mut own = PgConnection::connect(&url(ALSO, ALSO)).await.unwrap();
    sqlx::raw_sql("CREATE TABLE seen (a int)").execute(&mut own).await.unwrap();
    let foreign = PgConnection::connect(&url("order", ALSO)).await.unwrap_err().to_string();
    assert!(foreign.contains("permission denied"), "{foreign}");
    let mut operator = PgConnection::connect(&url("operator", ALSO)).await.unwrap();
    sqlx::raw_sql("SELECT * FROM seen").execute(&mut operator).await.unwrap();
    let limit: String = sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
        .fetch_one(&mut operator)
        .await
        .unwrap();
    assert_eq!(limit, "5min");

    let mut server = PgConnection::connect(&sandbox.stack.postgres_url("postgres")).await.unwrap();
    for statement in [format!("DROP DATABASE {ALSO} WITH (FORCE)"), format!("DROP ROLE {ALSO}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_told() {
    let sandbox = Sandbox::new();
    let mut command = program(&sandbox, &["databases", "create", "--wait", "1"]);
    command.env("POSTGRES_ADMIN_URL", "postgres://nobody@127.0.0.1:9/postgres");
    let run = tokio::time::timeout(Duration::from_secs(20), output(command)).await.unwrap();
    run.exits(3).says("waiting for Postgres").says("--wait 60 waits for it.");
}

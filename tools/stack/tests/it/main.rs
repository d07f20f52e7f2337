//! The stack for real: it starts, survives what tests do to it, and leaves nothing behind.

mod clients;
mod processes;

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use farandole_stack::{Error as StackError, Options, PostgresVersion, Serve, Stack};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::clients::{TOPIC_EXISTS, create_topic, execute, register_schema};
use crate::processes::{is_frozen, lives, processes_in, signal};

type Outcome = Result<(), Box<dyn Error>>;

/// Each test needs a gigabyte and all cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn parts_keep_port_and_data_over_stop_kill_and_pause() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let stack = Stack::start(Options::default()).await?;
    let urls = (stack.kafka_brokers(), stack.schema_registry_url(), stack.postgres_url("shop"));
    stack.create_database("shop").await?;
    stack.create_database("shop").await?;
    assert_eq!(create_topic(&urls.0).await?, 0);
    let id = register_schema(&urls.1).await?;
    execute(&urls.2, "CREATE TABLE things (id int); INSERT INTO things VALUES (7)").await?;

    for part in [&stack.kafka, &stack.registry, &stack.postgres] {
        part.stop().await;
        assert!(part.pids().is_empty());
        part.start().await?;
        let before = part.pids();
        part.kill().await;
        assert!(before.iter().all(|pid| !lives(*pid)), "{} left processes", part.name());
        part.start().await?;
        part.pause();
        part.resume();
        part.start().await?;
    }

    assert_eq!(create_topic(&urls.0).await?, TOPIC_EXISTS);
    assert_eq!(register_schema(&urls.1).await?, id);
    execute(&urls.2, "DO $$ BEGIN ASSERT (SELECT id FROM things) = 7; END $$").await?;

    let (directory, pids) = (stack.directory().to_owned(), processes_in(stack.directory()));
    assert!(pids.len() > 3);
    stack.stop().await;
    assert!(!directory.exists());
    assert!(pids.into_iter().all(|pid| !lives(pid)));
    Ok(())
}

#[tokio::test]
async fn a_paused_part_is_silent_until_resumed_and_can_be_stopped() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let stack =
        Stack::start(Options { kafka: Serve::No, registry: Serve::No, ..Options::default() })
            .await?;
    let url = stack.postgres_url("postgres");
    stack.postgres.pause();
    let unanswered = timeout(Duration::from_millis(300), execute(&url, "SELECT 1")).await;
    assert!(unanswered.is_err(), "a paused Postgres answered");
    stack.postgres.resume();
    timeout(Duration::from_secs(10), execute(&url, "SELECT 1")).await??;

    stack.postgres.pause();
    let began = Instant::now();
    stack.postgres.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(matches!(stack.kafka.start().await, Err(StackError::NotServed("Kafka"))));
    assert_eq!((stack.kafka.port(), stack.kafka.pids().len()), (0, 0));
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn two_stacks_start_at_once_and_a_later_one_fast() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (one, two) =
        tokio::try_join!(Stack::start(Options::default()), Stack::start(Options::default()))?;
    assert_ne!(one.kafka_brokers(), two.kafka_brokers());
    assert_ne!(one.directory(), two.directory());
    tokio::join!(one.stop(), two.stop());

    let began = Instant::now();
    let stack = Stack::start(Options::default()).await?;
    eprintln!("a start with everything fetched took {:?}", began.elapsed());
    let began = Instant::now();
    stack.stop().await;
    eprintln!("a stop took {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_dropped_stack_leaves_nothing() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let stack = Stack::start(Options::default()).await?;
    let (directory, pids) = (stack.directory().to_owned(), processes_in(stack.directory()));
    drop(stack);
    assert!(pids.into_iter().all(|pid| !lives(pid)));
    assert!(!directory.exists());
    Ok(())
}

#[tokio::test]
async fn a_killed_parent_takes_all_along_and_the_next_start_clears_up() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    for paused in [false, true] {
        let home = open_directory()?;
        let mut parent = run(home.path()).await?;
        let [directory] = run_directories(home.path())?.try_into().expect("one run directory");
        let pids = processes_in(&directory);
        assert!(pids.len() > 5, "Kafka, the registry and many of Postgres: {pids:?}");
        if paused {
            for pid in &pids {
                signal(*pid, Signal::STOP);
            }
            // The system wakes what is frozen when its parent dies, but not what only has the
            // signal pending: that would freeze afterwards, for ever.
            until(|| pids.iter().all(|pid| is_frozen(*pid) || !lives(*pid))).await?;
        }
        parent.kill().await?;
        until(|| pids.iter().all(|pid| !lives(*pid))).await?;

        let mut next = run(home.path()).await?;
        let remaining = run_directories(home.path())?;
        assert!(remaining.len() == 1 && remaining[0] != directory, "{remaining:?}");
        signal(next.id().expect("it runs"), Signal::TERM);
        assert!(timeout(Duration::from_secs(20), next.wait()).await??.success());
        assert!(run_directories(home.path())?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn kept_data_outlives_the_stack_and_has_one_user_at_a_time() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = open_directory()?;
    let data = home.path().join("data");
    let options = Options { data: Some(data.clone()), ..Options::default() };
    let stack = Stack::start(options.clone()).await?;
    assert!(matches!(Stack::start(options.clone()).await, Err(StackError::InUse(_))));
    assert_eq!(create_topic(&stack.kafka_brokers()).await?, 0);
    let id = register_schema(&stack.schema_registry_url()).await?;
    let taken = Serve::Port(stack.kafka.port());
    let other = Options { kafka: taken, postgres: Serve::No, ..Options::default() };
    assert!(matches!(Stack::start(other).await, Err(StackError::PortTaken { .. })));
    stack.stop().await;

    let stack = Stack::start(Options { postgres: taken, ..options }).await?;
    assert_eq!(Serve::Port(stack.postgres.port()), taken);
    assert_eq!(create_topic(&stack.kafka_brokers()).await?, TOPIC_EXISTS);
    assert_eq!(register_schema(&stack.schema_registry_url()).await?, id);
    stack.stop().await;
    assert!(data.join("kafka").exists());
    Ok(())
}

#[tokio::test]
async fn exec_sets_the_environment_and_returns_the_exit_code() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let script = "echo $KAFKA_BROKERS $FARANDOLE_STACK_KAFKA; echo $SCHEMA_REGISTRY_URL \
                  $FARANDOLE_STACK_REGISTRY; echo $FARANDOLE_STACK_POSTGRES; exit 42";
    let output = program().args(["exec", "--quiet", "--", "sh", "-c", script]).output().await?;
    assert_eq!(output.status.code(), Some(42), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[..2] {
        let (left, right) = line.split_once(' ').expect("two words");
        assert!(left == right && left.contains("127.0.0.1:"), "{line}");
    }
    let (server, port) = lines[2].rsplit_once(':').expect("a port");
    assert!(server.starts_with("postgres://") && port.parse::<u16>().is_ok(), "{}", lines[2]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn the_oldest_postgres_starts_alone() -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let script = "echo ${KAFKA_BROKERS-none} ${SCHEMA_REGISTRY_URL-none} $FARANDOLE_POSTGRES; \
                  exec cat";
    let mut exec = program();
    exec.args(["exec", "--quiet", "--only", "postgres", "--postgres-version", "15", "--"]);
    exec.args(["sh", "-c", &format!("{script} $FARANDOLE_STACK_DIRECTORY/postgres/PG_VERSION")]);
    exec.env_remove("KAFKA_BROKERS").env_remove("SCHEMA_REGISTRY_URL");
    let output = exec.output().await?;
    assert_eq!(String::from_utf8(output.stdout)?, "none none 15\n15\n");

    let options = Options {
        kafka: Serve::No,
        registry: Serve::No,
        postgres_version: Some(PostgresVersion::V15),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    stack.create_database("shop").await?;
    let check = "DO $$ BEGIN ASSERT current_setting('server_version_num')::int / 10000 = 15; \
                 ASSERT 'é' COLLATE \"default\" > 'z'; END $$";
    execute(&stack.postgres_url("shop"), check).await?;
    stack.stop().await;
    Ok(())
}

#[test]
fn a_postgres_that_is_not_there_is_refused() {
    assert_eq!("18".parse::<PostgresVersion>().unwrap(), PostgresVersion::default());
    assert!("14".parse::<PostgresVersion>().is_err());
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_farandole-stack"));
    program.kill_on_drop(true);
    program
}

/// `farandole-stack run` with its temporary files in `home`, once it has printed everything.
async fn run(home: &Path) -> Result<Child, Box<dyn Error>> {
    let mut run = program();
    run.arg("run").env("TMPDIR", home).stdout(Stdio::piped());
    let mut child = run.spawn()?;
    let output = child.stdout.take().ok_or("standard output is not piped")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = timeout(Duration::from_secs(90), lines.next_line()).await?? {
        if line.starts_with("export NOTIFICATION_DATABASE_URL=") {
            return Ok(child);
        }
    }
    Err("it ended before it was up".into())
}

/// A temporary directory that the user who runs Postgres can enter.
fn open_directory() -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

fn run_directories(home: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(home)?.map(|entry| entry.map(|it| it.path()));
    entries.filter(|path| path.as_ref().map_or(true, |path| path.join("lock").exists())).collect()
}

async fn until(condition: impl Fn() -> bool) -> Outcome {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    Ok(timeout(Duration::from_secs(20), wait).await?)
}

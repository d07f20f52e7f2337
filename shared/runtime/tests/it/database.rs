//! The database, where it goes away in the middle of something.

use farandole_runtime::database::{DatabaseError, migrate};
use messaging::Database;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use testkit::Sandbox;

async fn database(name: &str) -> Database {
    Database::new(&Sandbox::new().database(name).await).unwrap()
}

/// Migrations with the numbers 1, 2, ….
fn steps(steps: &[&'static str]) -> Migrator {
    let step = |(number, sql): (i64, &&'static str)| {
        Migration::new(number, "step".into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(steps).map(step).collect())
}

#[tokio::test]
async fn a_migration_that_lost_its_connection_may_be_tried_again() {
    let database = database("migrated").await;
    let lost = migrate(&database, steps(&["SELECT pg_terminate_backend(pg_backend_pid())"])).await;
    assert!(matches!(lost, Err(DatabaseError::Unavailable(_))), "{lost:?}");
    let wrong = migrate(&database, steps(&["SELECT nothing"])).await;
    assert!(matches!(wrong, Err(DatabaseError::Migration(_))), "{wrong:?}");
    migrate(&database, steps(&["SELECT 1"])).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_given_up() {
    let database = database("slow").await;
    let limited = "DO $$ BEGIN
           ASSERT current_setting('statement_timeout') = '10min';
         END $$";
    let slow = "SET LOCAL statement_timeout = 50; SELECT pg_sleep(60)";
    let given_up = migrate(&database, steps(&[limited, slow])).await;
    let Err(DatabaseError::Migration(why)) = given_up else { panic!("{given_up:?}") };
    assert!(why.contains("statement timeout"), "{why}");
    assert!(why.contains("migration 2"), "{why}");
}

#[tokio::test]
async fn a_release_starts_on_the_database_of_the_next_one() {
    let database = database("ahead").await;
    let (first, second) = ("SELECT 1", "SELECT 2");
    migrate(&database, steps(&[first, second])).await.unwrap();
    migrate(&database, steps(&[first])).await.unwrap();

    let edited = migrate(&database, steps(&["SELECT 3", second])).await;
    let Err(DatabaseError::Migration(why)) = edited else { panic!("{edited:?}") };
    assert!(why.contains("migration 1 was previously applied but has been modified"), "{why}");
}

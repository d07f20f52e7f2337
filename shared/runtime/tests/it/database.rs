//! The database, where it goes away in the middle of something.

use farandole_runtime::database::{DatabaseError, migrate};
use refinery::{Migration, Runner};
use testkit::World;

#[tokio::test]
async fn a_migration_that_lost_its_connection_may_be_tried_again() {
    let database = World::new().database("migrated").await;
    let with = |sql| Runner::new(&[Migration::unapplied("V1__step", sql).unwrap()]);
    let lost = migrate(&database, with("SELECT pg_terminate_backend(pg_backend_pid())")).await;
    assert!(matches!(lost, Err(DatabaseError::Unavailable(_))), "{lost:?}");
    let wrong = migrate(&database, with("SELECT nothing")).await;
    assert!(matches!(wrong, Err(DatabaseError::Migration(_))), "{wrong:?}");
    migrate(&database, with("SELECT 1")).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_given_up() {
    let database = World::new().database("slow").await;
    let limited = "DO $$ BEGIN
           ASSERT current_setting('statement_timeout') = '10min';
         END $$";
    let slow = "SET LOCAL statement_timeout = 50; SELECT pg_sleep(60)";
    let steps = [("V1__limited", limited), ("V2__slow", slow)];
    let steps = steps.map(|(name, sql)| Migration::unapplied(name, sql).unwrap());
    let given_up = migrate(&database, Runner::new(&steps)).await;
    let Err(DatabaseError::Migration(why)) = given_up else { panic!("{given_up:?}") };
    assert!(why.contains("statement timeout"), "{why}");
}

#[tokio::test]
async fn a_release_starts_on_the_database_of_the_next_one() {
    let database = World::new().database("ahead").await;
    let with = |steps: &[(&str, &str)]| {
        let steps = steps.iter().map(|(name, sql)| Migration::unapplied(name, sql).unwrap());
        Runner::new(&steps.collect::<Vec<_>>())
    };
    let (first, second) = (("V1__first", "SELECT 1"), ("V2__second", "SELECT 2"));
    migrate(&database, with(&[first, second])).await.unwrap();
    migrate(&database, with(&[first])).await.unwrap();

    let edited = migrate(&database, with(&[("V1__first", "SELECT 3"), second])).await;
    let Err(DatabaseError::Migration(why)) = edited else { panic!("{edited:?}") };
    assert!(why.contains("V1__first is different"), "{why}");
}

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

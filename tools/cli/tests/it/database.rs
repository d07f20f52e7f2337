use farandole_cli::database::{Limits, connect, reason};
use sqlx::{Connection as _, PgConnection};
use testkit::Sandbox;

use crate::books::Books;

#[tokio::test]
async fn nothing_can_be_written() {
    let sandbox = Books::new().await.sandbox;
    let url = sandbox.database_url("payment");
    let mut database = connect("payment", &url, Limits::QUESTION).await.unwrap();
    let create = sqlx::raw_sql("CREATE TABLE t (n integer)").execute(&mut database).await;
    assert!(reason(&create.unwrap_err()).contains("read-only transaction (25006)"));
}

#[tokio::test]
async fn an_error_names_the_constraint_and_not_the_row() {
    let sandbox = Sandbox::new();
    let mut database = PgConnection::connect(&sandbox.database("payment").await).await.unwrap();
    let insert = "CREATE TABLE t (name text CONSTRAINT short CHECK (length(name) < 3));
         INSERT INTO t VALUES ('Ada Lovelace')";
    let error = sqlx::raw_sql(insert).execute(&mut database).await.unwrap_err();
    assert!(format!("{error:?}").contains("Ada Lovelace"), "{error:?}");
    assert_eq!(
        reason(&error),
        "new row for relation \"t\" violates check constraint \"short\" (23514), constraint short"
    );
}

//! A batch that is more than the server gets done in time.

use crate::letter::{Letter, new_orders};
use crate::stage::Stage;
use crate::tally::Action;

/// More than so many rows at once the server does not get done here: it says what it says when a
/// statement has taken too long.
const AT_ONCE: usize = 10;

#[tokio::test]
async fn a_batch_that_takes_too_long_is_tried_in_halves() {
    let stage = Stage::set_narrow().await;
    stage
        .execute(&format!(
            "CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF (SELECT count(*) FROM written) > {AT_ONCE} THEN
                 RAISE query_canceled
                   USING MESSAGE = 'canceling statement due to statement timeout';
               END IF;
               RETURN NULL;
             END $$;
             CREATE TRIGGER be_slow AFTER INSERT ON tallies REFERENCING NEW TABLE AS written
               FOR EACH STATEMENT EXECUTE FUNCTION be_slow()"
        ))
        .await;
    let letters: Vec<Letter> = new_orders(100)
        .into_iter()
        .map(|saga| Letter::new(stage.ids, saga, 1, Action::Count))
        .collect();
    stage.send(&letters).await;
    let instance = stage.start().await;
    stage.until_done(letters.len()).await;
    assert!(instance.reports.has_complained("postgres", "statement timeout"));
    instance.reports.until_up("postgres").await;
    instance.stop().await;
    let sizes = stage.batch_sizes().await;
    assert!(sizes.iter().all(|size| usize::try_from(*size).unwrap() <= AT_ONCE), "{sizes:?}");
    stage.assert_took_effect_once(&letters).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
}

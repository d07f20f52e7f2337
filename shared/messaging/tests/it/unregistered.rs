//! Events whose schema the registry does not have yet.

use farandole_messaging::LoopSettings;
use testkit::LateRegistry;

use crate::letter::{Letter, SchemaIds, new_orders};
use crate::poison::patient;
use crate::stage::Stage;
use crate::tally::{ADDED, Action};

/// What is written by the schema that is registered late, and what is not, in one batch.
#[tokio::test]
async fn an_event_waits_for_its_schema_and_holds_back_its_own_order_only() {
    let stage = Stage::set_narrow().await;
    let late = LateRegistry::start(&stage.sandbox.stack, ADDED.to_owned()).await;
    let schema_registry = late.url.parse().unwrap();
    let sagas = new_orders(2);
    let [known, unknown] =
        [stage.ids.added, LateRegistry::ID].map(|added| SchemaIds { added, ..stage.ids });
    let letter = |ids, saga, number| Letter::new(ids, saga, number, Action::Count);
    let all = [
        letter(known, sagas[0], 1),
        letter(unknown, sagas[0], 2),
        letter(known, sagas[1], 1),
        letter(known, sagas[0], 3),
    ];
    stage.send(&all).await;
    let instance = stage.start_with(LoopSettings { schema_registry, ..patient(&stage) }).await;
    let tried = "retry_queue WHERE attempts > 1 AND
        errors[1] LIKE 'schema id % is not in the schema registry'";
    stage.until_count(tried, 1).await;
    stage.until_count("retry_queue", 2).await;
    assert_eq!(stage.numbers(sagas[0]).await, [1], "what came before it is done");
    assert_eq!(stage.numbers(sagas[1]).await, [1], "the other saga flows");

    late.register();
    stage.until_done(all.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
}

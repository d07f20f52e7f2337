use std::time::Duration;

use messaging::{Failure, Handle, Purpose, Session};
use runtime::AppContext;
use tracing::{info, warn};

use crate::domain::Input;
use crate::open::OpenOrders;
use crate::{Order, store};

/// How often orders are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many deadlines are forgotten at once. At high rates some hundreds pass in a second.
const FORGET_MAX: u32 = 1_000;

/// Brings the passed deadlines into the loop, where they race with payment and customer for the
/// order's row. Several instances may bring the same one: the row takes it once.
///
/// A deadline counts what was said in time, not what was heard in time: while the topics hold
/// something unread of an order, or it waits in the retry queue, the order is not given up, however
/// late this service comes to read it.
pub(crate) fn watch(context: &AppContext<Order>) {
    let mut session = context.database.session(Purpose::new("deadlines"));
    let (handle, shutdown) = (context.handle.clone(), context.shutdown.clone());
    context.handle.spawn("the watch over deadlines", async move {
        let mut open = OpenOrders::new();
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            open.look(&mut session).await;
            if let Err(failure) = pass(&mut session, &handle).await {
                warn!(error = %failure, "cannot look for passed deadlines, trying again");
            }
        }
    });
}

async fn pass(session: &mut Session, handle: &Handle<Order>) -> Result<(), Failure> {
    while store::forget_deadlines(session, FORGET_MAX).await? == u64::from(FORGET_MAX) {}
    let overdue = store::overdue(session).await?;
    if overdue.is_empty() {
        return Ok(());
    }
    // Asked after the time has passed: whatever was said before is among it.
    let unread = handle.unread().await?;
    let (unheard, overdue): (Vec<_>, Vec<_>) =
        overdue.into_iter().partition(|(order, _)| unread.may_be_of(order.to_string().as_bytes()));
    if !unheard.is_empty() {
        info!(
            orders = unheard.len(),
            "deadline passed, but there is something unread of the order"
        );
    }
    if overdue.is_empty() {
        return Ok(());
    }
    info!(orders = overdue.len(), "deadline passed");
    let submitted = overdue
        .into_iter()
        .map(|(order, cause)| handle.submit(order, "DeadlinePassed", Input::DeadlinePassed, cause));
    for done in futures::future::join_all(submitted).await {
        done?;
    }
    Ok(())
}

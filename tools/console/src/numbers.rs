//! What the console tells Prometheus of itself.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use projection::instruments::{FORGOTTEN, LAG, UNREAD};

use crate::site::Console;

/// All of it as it is now. What is shown gets older while it cannot be asked for, and so its age is told by
/// what was seen last. Where orders are not counted, these are no numbers.
pub(crate) async fn metrics(State(console): State<Console>) -> Response {
    let board = console.looks.board.borrow().clone();
    let reading = board.seen.as_ref().map(|board| &board.reading);
    let as_of = reading.and_then(|reading| reading.as_of).unwrap_or(console.began);
    let of = |number: Option<i64>| {
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        number.map_or(f64::NAN, |number| number as f64)
    };
    let lag = console.model.is_wanted().then(|| Timestamp::now().duration_since(as_of));
    LAG.of([]).set(lag.map_or(f64::NAN, |lag| lag.as_secs_f64().max(0.0)));
    UNREAD.of([]).set(of(reading.map(|reading| reading.behind)));
    FORGOTTEN.of([]).set(of(reading.map(|reading| reading.forgotten)));
    console.metrics.answer()
}

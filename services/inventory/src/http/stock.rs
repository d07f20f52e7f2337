//! The stock of each SKU.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::Sku;
use messaging::Pool;
use runtime::http::{Current, IdempotencyKey, Json, Path, Preconditions, Tagged, replayed, schema};
use runtime::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use crate::domain::Level;
use crate::levels::{self, Adjusted, ON_HAND_MAX};

/// How often the stock is read again because it has changed before it was written over.
const TRIES: u32 = 5;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(put_stock, get_stock)).routes(routes!(adjust_stock))
}

/// How many pieces there are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutStock {
    /// How many pieces are there now, the reserved ones included.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 100)]
    on_hand: i64,
}

/// How many pieces have come or gone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdjustStock {
    /// How many more pieces there are; negative for fewer.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64, example = -3)]
    delta: i64,
}

/// Where the pieces of a SKU are.
#[derive(Debug, Serialize, ToSchema)]
struct StockBody {
    #[schema(value_type = schema::Sku)]
    sku: Sku,
    /// Pieces an order can have.
    available: u64,
    /// Pieces set aside for orders.
    reserved: u64,
    /// Pieces gone to customers.
    shipped: u64,
}

impl StockBody {
    fn new(sku: Sku, level: Level) -> Self {
        let Level { available, reserved, shipped } = level;
        Self { sku, available, reserved, shipped }
    }
}

/// Say how many pieces are on hand
///
/// An absolute number, as after counting. Orders go on meanwhile: `If-Match`, with the `ETag` of the stock
/// as it was when it was counted, keeps the number from undoing what has been shipped since. For pieces
/// that have come or gone there are adjustments.
#[utoipa::path(
    put,
    path = "/stock/{sku}",
    params(
        ("sku" = inline(schema::Sku), Path),
        ("If-Match" = Option<schema::EntityTags>, Header),
        ("If-None-Match" = Option<schema::EntityTags>, Header),
    ),
    request_body = PutStock,
    responses(
        (status = 200, description = "The stock as it is now", body = StockBody,
            headers(("ETag" = String, description = "Names this state of the stock"))),
        (status = 409, description = "More than that are reserved", body = Problem),
        (status = 412, description = "`If-Match` or `If-None-Match` is not met; nothing is changed",
            body = Problem),
        (status = 422, description = "Not a number of pieces", body = Problem),
    )
)]
async fn put_stock(
    State(pool): State<Pool>,
    Path(sku): Path<Sku>,
    preconditions: Preconditions,
    Json(PutStock { on_hand }): Json<PutStock>,
) -> Result<Tagged<StockBody>, Problem> {
    if !(0..=ON_HAND_MAX).contains(&on_hand) {
        let detail = format!("must be 0 to {ON_HAND_MAX} pieces");
        return Err(Problem::validation([FieldError::new("/on_hand", detail)]));
    }
    let level = put(&pool, &sku, on_hand, &preconditions).await?.ok_or_else(|| {
        Problem::conflict(
            "stock-reserved",
            "More pieces are reserved",
            format!("more than {on_hand} pieces of {sku} are reserved for orders"),
        )
    })?;
    Ok(Tagged(StatusCode::OK, StockBody::new(sku, level)))
}

/// Puts a number in the place of what the preconditions are met by. `None` if more are reserved.
async fn put(
    pool: &Pool,
    sku: &Sku,
    on_hand: i64,
    preconditions: &Preconditions,
) -> Result<Option<Level>, Problem> {
    if preconditions.is_empty() {
        return Ok(levels::put_on_hand(pool, sku, on_hand).await?);
    }
    for _ in 0..TRIES {
        let found = levels::find_level(pool, sku).await?;
        let seen = found.map(|level| StockBody::new(sku.clone(), level));
        preconditions.check_seen(seen.as_ref())?;
        if found.is_some_and(|level| i64::try_from(level.reserved).is_ok_and(|it| it > on_hand)) {
            return Ok(None);
        }
        let level = levels::put_on_hand_over(pool, sku, on_hand, found).await?;
        if level.is_some() {
            return Ok(level);
        }
    }
    Err(Problem::changing())
}

/// See where the pieces of a SKU are
#[utoipa::path(
    get,
    path = "/stock/{sku}",
    params(
        ("sku" = inline(schema::Sku), Path),
        ("If-None-Match" = Option<schema::EntityTags>, Header),
    ),
    responses(
        (status = 200, description = "The stock", body = StockBody,
            headers(("ETag" = String, description = "Names this state of the stock"))),
        (status = 304, description = "It is as `If-None-Match` names it",
            headers(("ETag" = String, description = "Names this state of the stock"))),
        (status = 404, description = "It was never put on hand", body = Problem),
        (status = 412, description = "It is not as `If-Match` names it", body = Problem),
    )
)]
async fn get_stock(
    State(pool): State<Pool>,
    Path(sku): Path<Sku>,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let level = levels::find_level(&pool, &sku).await?.ok_or_else(|| never_put(&sku))?;
    preconditions.answer(StockBody::new(sku, level))
}

fn never_put(sku: &Sku) -> Problem {
    Problem::not_found(format!("{sku} was never put on hand"))
}

/// Say how many pieces have come or gone
///
/// A difference, which holds whatever orders do meanwhile. The same request with the same key is carried
/// out once, and gets the same answer, however often it is sent.
#[utoipa::path(
    post,
    path = "/stock/{sku}/adjustments",
    params(
        ("sku" = inline(schema::Sku), Path),
        ("Idempotency-Key" = inline(schema::IdempotencyKey), Header),
    ),
    request_body = AdjustStock,
    responses(
        (status = 200, description = "The stock as it was right after this", body = StockBody, headers(
            ("Idempotent-Replayed" = String,
                description = "`true` if this is the answer to an earlier request with this key"),
        )),
        (status = 400, description = "No key, or malformed", body = Problem),
        (status = 404, description = "It was never put on hand", body = Problem),
        (status = 409, description = "There are not so many pieces available, or there would be more than \
            1000000000000 on hand", body = Problem),
        (status = 412, description = "`If-Match` or `If-None-Match`: there is nothing here that they could \
            be about", body = Problem),
        (status = 422, description = "Not a number of pieces, or the key was used for another request",
            body = Problem),
    )
)]
async fn adjust_stock(
    State(pool): State<Pool>,
    Path(sku): Path<Sku>,
    preconditions: Preconditions,
    IdempotencyKey(key): IdempotencyKey,
    Json(AdjustStock { delta }): Json<AdjustStock>,
) -> Result<Response, Problem> {
    preconditions.check(Current::Untagged)?;
    if !(-ON_HAND_MAX..=ON_HAND_MAX).contains(&delta) {
        let detail = format!("must be -{ON_HAND_MAX} to {ON_HAND_MAX} pieces");
        return Err(Problem::validation([FieldError::new("/delta", detail)]));
    }
    let answer = |level| Json(StockBody::new(sku.clone(), level)).into_response();
    match levels::adjust(&pool, &key, &sku, delta).await? {
        Adjusted::Done(level) => Ok(answer(level)),
        Adjusted::Before(level) => Ok(replayed(answer(level))),
        Adjusted::KeyReused => Err(Problem::idempotency_key_reused()),
        Adjusted::NeverPut => Err(never_put(&sku)),
        Adjusted::Impossible(level) if delta < 0 => Err(Problem::conflict(
            "stock-short",
            "Not so many pieces are available",
            format!("{} pieces of {sku} are available", level.available),
        )),
        Adjusted::Impossible(_) => Err(Problem::conflict(
            "stock-full",
            "Too many pieces",
            format!("there would be more than {ON_HAND_MAX} pieces of {sku} on hand"),
        )),
    }
}

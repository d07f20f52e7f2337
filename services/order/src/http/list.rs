//! Orders, page by page.

use std::str::FromStr;

use axum::extract::State;
use kernel::text::{InvalidText, check_text};
use runtime::Problem;
use runtime::http::{Id, Json, Parsed, Query, schema};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::bodies::{OrderBody, Status};
use crate::events::OrderId;
use crate::store::{self, Filter};

/// The largest page of a list.
const PAGE_MAX: u16 = 200;

/// The size of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub(super) u16);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digits = text.bytes().all(|b| b.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| is_digits && (1..=PAGE_MAX).contains(limit));
        let start: String = text.chars().take(20).collect();
        limit.map(Self).ok_or_else(|| format!("is {start:?}, but must be 1 to {PAGE_MAX}"))
    }
}

#[derive(Debug)]
struct CustomerId(String);

impl FromStr for CustomerId {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        check_text(text, 64).map(|()| Self(text.to_owned()))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListOrders {
    /// Only this customer's.
    #[param(value_type = Option<schema::Text64>, inline)]
    customer_id: Option<Parsed<CustomerId>>,
    /// Only those in this status.
    #[param(inline)]
    status: Option<Status>,
    /// Go on after this order: the `next` of the page before.
    #[param(value_type = Option<schema::Id>, inline)]
    after: Option<Id>,
    /// The most orders of a page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<Parsed<Limit>>,
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderPage {
    #[schema(max_items = 200)]
    orders: Vec<OrderBody>,
    /// For `after`, if there may be more; there are none if it is null.
    #[schema(value_type = Option<schema::Id>, required)]
    next: Option<Uuid>,
}

/// List orders, newest first
///
/// With a `status`, the service looks through 1,000 orders at most for one page. So a page may have fewer
/// orders than `limit`, or none at all, although there are more: `next` says so.
#[utoipa::path(
    get,
    path = "/orders",
    params(ListOrders),
    responses((status = 200, description = "A page of orders", body = OrderPage))
)]
pub(super) async fn list_orders(
    State(api): State<Api>,
    Query(query): Query<ListOrders>,
) -> Result<Json<OrderPage>, Problem> {
    let Parsed(Limit(limit)) = query.limit.unwrap_or(Parsed(Limit::default()));
    let filter = Filter {
        customer_id: query.customer_id.map(|Parsed(CustomerId(id))| id),
        statuses: query.status.map(Status::columns),
        after: query.after.map(|Id(id)| OrderId(id)),
        limit: limit.into(),
    };
    let page = store::list(&api.pool, &filter).await?;
    Ok(Json(OrderPage {
        orders: page.orders.into_iter().map(OrderBody::from).collect(),
        next: page.next.map(|id| id.0),
    }))
}

//! The catalogue.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::text::check_text;
use kernel::{Currency, Money, Sku};
use runtime::http::{Json, MoneyBody, Parsed, Path, Preconditions, Query, Tagged, schema};
use runtime::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

use super::list::Limit;
use crate::catalogue::{self, Product, Put};

/// The largest unit price, in minor units: a hundred million in most currencies.
const UNIT_PRICE_MAX: i64 = 10_000_000_000;

/// How often a product is read again because it has changed before it was written over.
const TRIES: u32 = 5;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(put_product, get_product)).routes(routes!(list_products))
}

/// A product to be put into the catalogue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutProduct {
    #[schema(value_type = schema::Text200, example = "Green tea, 100 g")]
    name: String,
    unit_price: PriceBody,
}

/// The price of one piece.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceBody {
    /// Minor units of the currency, such as cents. What costs 0 can be ordered together with what does
    /// not.
    #[schema(minimum = 0, maximum = 10_000_000_000_i64, example = 450)]
    amount: i64,
    #[schema(value_type = schema::Currency, example = "EUR")]
    currency: Currency,
}

/// Something for sale.
#[derive(Debug, Serialize, ToSchema)]
struct ProductBody {
    #[schema(value_type = schema::Sku)]
    sku: Sku,
    #[schema(value_type = schema::Text200)]
    name: String,
    unit_price: MoneyBody,
}

impl From<Product> for ProductBody {
    fn from(product: Product) -> Self {
        Self { sku: product.sku, name: product.name, unit_price: product.unit_price.into() }
    }
}

/// Put a product into the catalogue, or change it
///
/// Orders that are placed keep their prices. With `If-Match` only what was seen is changed, and with
/// `If-None-Match: *` only what is new is put.
#[utoipa::path(
    put,
    path = "/products/{sku}",
    params(
        ("sku" = inline(schema::Sku), Path),
        ("If-Match" = Option<schema::EntityTags>, Header),
        ("If-None-Match" = Option<schema::EntityTags>, Header),
    ),
    request_body = PutProduct,
    responses(
        (status = 200, description = "It was there and is changed", body = ProductBody,
            headers(("ETag" = String, description = "Names this state of the product"))),
        (status = 201, description = "It is new", body = ProductBody,
            headers(("ETag" = String, description = "Names this state of the product"))),
        (status = 412, description = "`If-Match` or `If-None-Match` is not met; nothing is changed",
            body = Problem),
        (status = 422, description = "Not a product", body = Problem),
    )
)]
async fn put_product(
    State(api): State<Api>,
    Path(sku): Path<Sku>,
    preconditions: Preconditions,
    Json(body): Json<PutProduct>,
) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    if let Err(error) = check_text(&body.name, 200) {
        errors.push(FieldError::new("/name", error.to_string()));
    }
    let PriceBody { amount, currency } = body.unit_price;
    if !(0..=UNIT_PRICE_MAX).contains(&amount) {
        let detail = format!("must be 0 to {UNIT_PRICE_MAX} minor units");
        errors.push(FieldError::new("/unit_price/amount", detail));
    }
    if !currency.is_current() {
        let detail = "is not a currency in use: one of ISO 4217 is, such as EUR";
        errors.push(FieldError::new("/unit_price/currency", detail));
    }
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let product = Product { sku, name: body.name, unit_price: Money { amount, currency } };
    let is_new = put(&api, &product, &preconditions).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Tagged(status, ProductBody::from(product)).into_response())
}

/// Puts a product in the place of what the preconditions are met by, and of nothing else.
async fn put(api: &Api, product: &Product, preconditions: &Preconditions) -> Result<bool, Problem> {
    if preconditions.is_empty() {
        return Ok(catalogue::put(&api.pool, product).await?);
    }
    for _ in 0..TRIES {
        let found = catalogue::find(&api.pool, &product.sku).await?;
        preconditions.check_seen(found.clone().map(ProductBody::from).as_ref())?;
        if catalogue::put_over(&api.pool, product, found.as_ref()).await? == Put::Done {
            return Ok(found.is_none());
        }
    }
    Err(Problem::changing())
}

/// See a product
#[utoipa::path(
    get,
    path = "/products/{sku}",
    params(
        ("sku" = inline(schema::Sku), Path),
        ("If-None-Match" = Option<schema::EntityTags>, Header),
    ),
    responses(
        (status = 200, description = "The product", body = ProductBody,
            headers(("ETag" = String, description = "Names this state of the product"))),
        (status = 304, description = "It is as `If-None-Match` names it",
            headers(("ETag" = String, description = "Names this state of the product"))),
        (status = 404, description = "It is not in the catalogue", body = Problem),
        (status = 412, description = "It is not as `If-Match` names it", body = Problem),
    )
)]
async fn get_product(
    State(api): State<Api>,
    Path(sku): Path<Sku>,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let product = catalogue::find(&api.pool, &sku)
        .await?
        .ok_or_else(|| Problem::not_found(format!("{sku} is not in the catalogue")))?;
    preconditions.answer(ProductBody::from(product))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListProducts {
    /// Go on after this SKU: the `next` of the page before.
    #[param(value_type = Option<schema::Sku>, inline)]
    after: Option<Sku>,
    /// The most products of a page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<Parsed<Limit>>,
}

/// A page of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
struct ProductPage {
    #[schema(max_items = 200)]
    products: Vec<ProductBody>,
    /// For `after`, if there are more; null if not.
    #[schema(value_type = Option<schema::Sku>, required)]
    next: Option<Sku>,
}

/// List the catalogue, by SKU
#[utoipa::path(
    get,
    path = "/products",
    params(ListProducts),
    responses((status = 200, description = "A page of products", body = ProductPage))
)]
async fn list_products(
    State(api): State<Api>,
    Query(query): Query<ListProducts>,
) -> Result<Json<ProductPage>, Problem> {
    let Parsed(Limit(limit)) = query.limit.unwrap_or(Parsed(Limit::default()));
    // One more than the page has: whether there is one after it.
    let mut found = catalogue::list(&api.pool, query.after.as_ref(), i64::from(limit) + 1).await?;
    let has_more = found.len() > usize::from(limit);
    found.truncate(limit.into());
    let next = found.last().filter(|_| has_more).map(|product| product.sku.clone());
    Ok(Json(ProductPage { products: found.into_iter().map(ProductBody::from).collect(), next }))
}

//! The catalogue.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::{Money, Sku};
use runtime::http::{Json, Path, Query};
use runtime::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::checks::check_text;
use super::{Api, MoneyBody, page_default, page_limit};
use crate::catalogue::{self, Product};

/// The largest unit price, in minor units: with the largest quantity and number of lines, no sum
/// passes what an amount can hold.
const UNIT_PRICE_MAX: i64 = 10_000_000_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(put_product)).routes(routes!(list_products))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutProduct {
    /// 1 to 200 characters.
    #[schema(example = "Green tea, 100 g")]
    name: String,
    unit_price: MoneyBody,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProductBody {
    #[schema(value_type = String)]
    sku: Sku,
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
/// Orders that are placed keep their prices.
#[utoipa::path(
    put,
    path = "/products/{sku}",
    params(("sku" = String, Path, description = "1 to 64 letters, digits, `.`, `_` or `-`")),
    request_body = PutProduct,
    responses(
        (status = 200, description = "It was there and is changed", body = ProductBody),
        (status = 201, description = "It is new", body = ProductBody),
        (status = 422, description = "Not a product", body = Problem),
    )
)]
async fn put_product(
    State(api): State<Api>,
    Path(sku): Path<String>,
    Json(body): Json<PutProduct>,
) -> Result<Response, Problem> {
    let sku: Sku =
        sku.parse().map_err(|error: kernel::InvalidSku| Problem::bad_request(error.to_string()))?;
    let mut errors = Vec::new();
    if let Err(detail) = check_text(&body.name, 200) {
        errors.push(FieldError::new("/name", detail));
    }
    if !(0..=UNIT_PRICE_MAX).contains(&body.unit_price.amount) {
        let detail = format!("must be 0 to {UNIT_PRICE_MAX} minor units");
        errors.push(FieldError::new("/unit_price/amount", detail));
    }
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let MoneyBody { amount, currency } = body.unit_price;
    let product = Product { sku, name: body.name, unit_price: Money { amount, currency } };
    let new = catalogue::put(&api.pool, &product).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ProductBody::from(product))).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListProducts {
    /// Go on after this SKU: the `next` of the page before.
    after: Option<String>,
    /// The most products of a page, 1 to 200.
    #[serde(default = "page_default")]
    #[param(default = 50)]
    limit: u16,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProductPage {
    products: Vec<ProductBody>,
    /// For `after`, if there may be more.
    #[schema(value_type = Option<String>)]
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
    let limit = page_limit(query.limit)?;
    let after = query.after.as_deref().map(str::parse::<Sku>).transpose();
    let after = after.map_err(|error| Problem::bad_request(error.to_string()))?;
    let found = catalogue::list(&api.pool, after.as_ref(), limit).await?;
    let full = found.len() == usize::from(query.limit);
    let next = found.last().filter(|_| full).map(|product| product.sku.clone());
    Ok(Json(ProductPage { products: found.into_iter().map(ProductBody::from).collect(), next }))
}

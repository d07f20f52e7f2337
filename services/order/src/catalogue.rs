use std::collections::HashMap;

use deadpool_postgres::Pool;
use kernel::{Money, Sku};
use messaging::{Db, Failure};
use tokio_postgres::Row;

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: Sku,
    pub(crate) name: String,
    pub(crate) unit_price: Money,
}

fn product(row: &Row) -> Result<Product, Failure> {
    let broken = |error: String| Failure::Message(format!("a product's row is broken: {error}"));
    let currency = row.get::<_, &str>("currency");
    Ok(Product {
        sku: row
            .get::<_, &str>("sku")
            .parse()
            .map_err(|e: kernel::InvalidSku| broken(e.to_string()))?,
        name: row.get("name"),
        unit_price: Money {
            amount: row.get("amount"),
            currency: currency
                .parse()
                .map_err(|e: kernel::InvalidCurrency| broken(e.to_string()))?,
        },
    })
}

/// Puts a product into the catalogue, or changes it. Orders that are placed keep their prices.
/// True if it is new.
pub(crate) async fn put(pool: &Pool, product: &Product) -> Result<bool, Failure> {
    let client = pool.get().await?;
    let upsert = client
        .prepare_cached(
            "INSERT INTO products (sku, name, amount, currency) VALUES ($1, $2, $3, $4)
             ON CONFLICT (sku) DO UPDATE SET name = excluded.name, amount = excluded.amount,
               currency = excluded.currency
             RETURNING xmax = 0",
        )
        .await?;
    let Product { sku, name, unit_price } = product;
    let row = client
        .query_one(
            &upsert,
            &[&sku.as_str(), name, &unit_price.amount, &unit_price.currency.as_str()],
        )
        .await?;
    Ok(row.get(0))
}

/// A page of the catalogue, by SKU.
pub(crate) async fn list(
    pool: &Pool,
    after: Option<&Sku>,
    limit: i64,
) -> Result<Vec<Product>, Failure> {
    let client = pool.get().await?;
    let select = client
        .prepare_cached(
            "SELECT sku, name, amount, currency FROM products
             WHERE $1::text IS NULL OR sku > $1 ORDER BY sku LIMIT $2",
        )
        .await?;
    let rows = client.query(&select, &[&after.map(Sku::as_str), &limit]).await?;
    rows.iter().map(product).collect()
}

/// The prices of these SKUs, of those that are for sale.
pub(crate) async fn prices(db: &Db<'_>, skus: &[&str]) -> Result<HashMap<Sku, Money>, Failure> {
    let select = db
        .prepare_cached("SELECT sku, name, amount, currency FROM products WHERE sku = ANY($1)")
        .await?;
    db.query(&select, &[&skus])
        .await?
        .iter()
        .map(|row| product(row).map(|product| (product.sku, product.unit_price)))
        .collect()
}

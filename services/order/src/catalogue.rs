use std::collections::HashMap;

use futures::FutureExt as _;
use jiff::Timestamp;
use kernel::{Money, Sku};
use messaging::{Columns, Failure, Found, Pool, Read, Session};

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: Sku,
    pub(crate) name: String,
    pub(crate) unit_price: Money,
}

fn parse_sku(text: &str) -> Result<Sku, Failure> {
    text.parse().map_err(|error: kernel::InvalidSku| broken(&error))
}

fn price(amount: i64, currency: &str) -> Result<Money, Failure> {
    let currency = currency.parse().map_err(|error: kernel::InvalidCurrency| broken(&error))?;
    Ok(Money { amount, currency })
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::Poison(format!("a product's row is broken: {error}"))
}

/// Puts a product into the catalogue, or changes it. Orders that are placed keep their prices.
/// True if it is new.
pub(crate) async fn put(pool: &Pool, product: &Product) -> Result<bool, Failure> {
    let Product { sku, name, unit_price } = product;
    pool.run(|connection| {
        sqlx::query_scalar!(
            "INSERT INTO products (sku, name, amount, currency) VALUES ($1, $2, $3, $4)
             ON CONFLICT (sku) DO UPDATE SET name = excluded.name, amount = excluded.amount,
               currency = excluded.currency
             RETURNING xmax = 0 AS \"is_new!\"",
            sku.as_str(),
            name,
            unit_price.amount,
            unit_price.currency.as_str()
        )
        .fetch_one(connection)
        .boxed()
    })
    .await
}

/// How putting a product over another one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is in the catalogue.
    Done,
    /// Nothing is changed: what was to be there is not, or not any more.
    Changed,
}

/// Puts a product in the place of `over` and of nothing else, or of none.
pub(crate) async fn put_over(
    pool: &Pool,
    product: &Product,
    over: Option<&Product>,
) -> Result<Put, Failure> {
    let Product { sku, name, unit_price: Money { amount, currency } } = product;
    let changed = pool
        .run(|connection| match over {
            None => sqlx::query!(
                "INSERT INTO products (sku, name, amount, currency) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                sku.as_str(),
                name,
                amount,
                currency.as_str()
            )
            .execute(connection)
            .boxed(),
            Some(over) => sqlx::query!(
                "UPDATE products SET name = $2, amount = $3, currency = $4
                 WHERE sku = $1 AND (name, amount, currency) = ($5, $6, $7)",
                sku.as_str(),
                name,
                amount,
                currency.as_str(),
                over.name,
                over.unit_price.amount,
                over.unit_price.currency.as_str()
            )
            .execute(connection)
            .boxed(),
        })
        .await?;
    Ok(if changed.rows_affected() == 1 { Put::Done } else { Put::Changed })
}

/// One product.
pub(crate) async fn find(pool: &Pool, sku: &Sku) -> Result<Option<Product>, Failure> {
    let row = pool
        .run(|connection| {
            sqlx::query!("SELECT name, amount, currency FROM products WHERE sku = $1", sku.as_str())
                .fetch_optional(connection)
                .boxed()
        })
        .await?;
    row.map(|row| {
        let unit_price = price(row.amount, &row.currency)?;
        Ok(Product { sku: sku.clone(), name: row.name, unit_price })
    })
    .transpose()
}

/// A page of the catalogue, by SKU.
pub(crate) async fn list(
    pool: &Pool,
    after: Option<&Sku>,
    limit: i64,
) -> Result<Vec<Product>, Failure> {
    // No SKU is empty, so all come after that.
    let after = after.map_or("", Sku::as_str);
    let rows = pool
        .run(|connection| {
            sqlx::query!(
                "SELECT sku, name, amount, currency FROM products
                 WHERE sku > $1 ORDER BY sku LIMIT $2",
                after,
                limit
            )
            .fetch_all(connection)
            .boxed()
        })
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Product {
                sku: parse_sku(&row.sku)?,
                name: row.name,
                unit_price: price(row.amount, &row.currency)?,
            })
        })
        .collect()
}

/// What an order is placed by: the prices of these SKUs, of those that are for sale, and the
/// database's time, which is that of deadlines, too.
pub(crate) async fn prices(
    session: &mut Session,
    skus: Vec<String>,
) -> Result<(HashMap<Sku, Money>, Timestamp), Failure> {
    let mut read = Read::default();
    let now = "(1000 * extract(epoch FROM now()))::bigint";
    let time = read.part(Columns { numbers: [now, "", ""], ..Columns::default() }, "");
    let skus = read.bind(skus)?;
    let columns = Columns {
        text: "sku",
        numbers: ["amount", "", ""],
        json: ["to_json(currency)", ""],
        ..Columns::default()
    };
    read.part(columns, &format!("FROM products WHERE sku = ANY({skus})"));
    let (mut prices, mut placed_at) = (HashMap::new(), Timestamp::now());
    for row in read.run(session).await? {
        if row.part == time {
            placed_at = Timestamp::from_millisecond(row.number(0)?)
                .map_err(|error| Failure::Infrastructure(format!("postgres: {error}")))?;
        } else {
            let (sku, price) = priced(&row)?;
            prices.insert(sku, price);
        }
    }
    Ok((prices, placed_at))
}

fn priced(row: &Found) -> Result<(Sku, Money), Failure> {
    let currency: String = row.json(0)?;
    Ok((parse_sku(row.text()?)?, price(row.number(0)?, &currency)?))
}

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Client;
use serde_json::{Value, json};

use crate::mix::Mix;
use crate::target::Target;

/// Enough for any run; a level is a 64-bit number.
const ON_HAND: u32 = 1_000_000_000;
/// Requests at once.
const AT_ONCE: usize = 16;

/// The SKU with this number.
pub(crate) fn sku(number: usize) -> String {
    format!("load-{number}")
}

/// What nobody has in stock.
pub(crate) const SOLD_OUT: &str = "load-sold-out";

/// Puts the mix's SKUs for sale and on hand. What is there already stays.
pub async fn open_shop(target: &Target, mix: &Mix) -> anyhow::Result<()> {
    let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let put = async |url: String, body: Value| -> anyhow::Result<()> {
        let answer = client.put(&url).json(&body).send().await.context(url.clone())?;
        let status = answer.status();
        ensure!(status.is_success(), "{url}: {status}: {}", answer.text().await?);
        Ok(())
    };
    let product = json!({"name": "A thing", "unit_price": {"amount": 499, "currency": "EUR"}});
    let stock = json!({"on_hand": ON_HAND});
    let order_url = target.order_urls.first().context("there is no order service to go to")?;
    let one = async |sku: String, stocked: bool| {
        put(format!("{order_url}/products/{sku}"), product.clone()).await?;
        if stocked {
            put(format!("{}/stock/{sku}", target.inventory_url), stock.clone()).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    futures::stream::iter((0..mix.skus).map(|number| one(sku(number), true)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    one(SOLD_OUT.to_owned(), false).await
}

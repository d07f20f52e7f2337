//! What to do with a fleet that runs.

use console::style;

use crate::local::Local;
use crate::shop::Request;

/// Prints commands that work as they stand.
pub(crate) fn print(local: &Local) {
    let at = local.endpoints();
    let (order, inventory) = (&at.order_url, &at.inventory_url);
    println!("{}", style("The fleet is running. In another terminal:").bold());
    part("What is for sale, and what is there:");
    println!("curl -s {order}/products");
    println!("curl -s {inventory}/stock/ribbon");
    part("Place an order (the same key again is the same order), and wait for its end:");
    println!("ORDER=$({} | {ID})", place(order, "my-first-order", "pm_card_visa"));
    println!("curl -s -H 'Prefer: wait=10' {order}/orders/$ORDER");
    part("Cancel one whose payment hangs, within 8 s:");
    println!("ORDER=$({} | {ID})", place(order, "my-second-order", "pm_sim_down"));
    println!("curl -s -X POST {order}/orders/$ORDER/cancel");
    part("See what the others know of it:");
    println!("curl -s {inventory}/reservations/$ORDER");
    println!("curl -s {}/payments/$ORDER", at.payment_url);
    println!("curl -s {}/notifications/$ORDER", at.notification_url);
    part("List your orders:");
    println!("curl -s '{order}/orders?customer_id=me'");
    part("Read and try each service's API in a browser:");
    for (variable, url) in at.services() {
        let name = variable.trim_end_matches("_URL").to_lowercase();
        println!("{name:<14} {url}/docs");
    }
    part("For the command line tool `farandole`, such as `farandole events tail`:");
    println!("export KAFKA_BROKERS={}", at.kafka_brokers);
    println!("export SCHEMA_REGISTRY_URL={}", at.schema_registry_url);
    println!("\nData and logs are in {}.", local.directory().display());
    println!("{}", style("Ctrl-C stops everything.").bold());
}

/// Takes the order's id out of an answer, with what every machine has.
const ID: &str = r#"sed 's/.*"order_id":"\([^"]*\)".*/\1/'"#;

fn part(title: &str) {
    println!("\n{}", style(format!("# {title}")).dim());
}

fn place(order_url: &str, key: &str, payment_method: &'static str) -> String {
    let request =
        Request { key: "me".to_owned(), sku: "ribbon", quantity: 2, payment_method, country: "FR" };
    format!(
        "curl -s {order_url}/orders -H 'Content-Type: application/json' \
         -H 'Idempotency-Key: {key}' -d '{}'",
        request.body()
    )
}

//! What to do with a fleet that runs.

use console::style;
use declarations::variable;

use crate::beside::Beside;
use crate::local::Local;
use crate::shop::Request;

/// Prints commands that work as they stand.
pub(crate) fn print(local: &Local, beside: &Beside) {
    let at = local.endpoints();
    let (order, inventory) = (at.services.of("order"), at.services.of("inventory"));
    println!("{}", style("The fleet is running. In another terminal:").bold());
    part("See the dance in a browser: how the fleet is, whose move it is, what to do:");
    println!("http://{}/", beside.console);
    part("Break something, and see what the fleet does about it:");
    println!("http://{}/break", beside.console);
    part("What is for sale, and what is there:");
    println!("{CURL} {order}/products");
    println!("{CURL} {inventory}/stock/ribbon");
    part("Place an order (with the same key it is the same order), and wait for its end:");
    println!("ORDER=$({} | {ID})", place(order, "my-first-order", "pm_card_visa"));
    println!("{CURL} -H 'Prefer: wait=10' {order}/orders/$ORDER");
    part("Cancel one whose payment hangs, within 8 s:");
    println!("ORDER=$({} | {ID})", place(order, "my-second-order", "pm_sim_down"));
    println!("{CURL} -X POST {order}/orders/$ORDER/cancel");
    part("See what the others know of it:");
    println!("{CURL} {inventory}/reservations/$ORDER");
    println!("{CURL} {}/payments/$ORDER", at.services.of("payment"));
    println!("{CURL} {}/notifications/$ORDER", at.services.of("notification"));
    part("List your orders:");
    println!("{CURL} '{order}/orders?customer_id=me'");
    part("Read and try each service's API in a browser:");
    for (service, url) in at.services.all() {
        println!("{service:<14} {url}/docs");
    }
    part("Look after the fleet, with the command line tool:");
    println!("export KAFKA_BROKERS={}", at.kafka_brokers);
    println!("export SCHEMA_REGISTRY_URL={}", at.schema_registry_url);
    for (service, url) in at.services.all() {
        let [at, database] = ["URL", "DATABASE_URL"].map(|what| variable(service, what));
        println!("export {at}={url} {database}={}", local.database_url(service));
    }
    let farandole = format!("{}/farandole", local.programs().display());
    println!("{farandole} status");
    println!("{farandole} events tail --from-start");
    part("Watch it, with Prometheus, its alerts and dashboards:");
    println!("make observe      # in the project's directory");
    println!("{CURL} http://{}/metrics", beside.exporter);
    println!("\nData and logs are in {}.", local.directory().display());
    println!("{}", style("Ctrl-C stops everything.").bold());
}

/// Quiet, and with a line end that the answers lack.
const CURL: &str = "curl -sw '\\n'";
/// Takes the order's id out of an answer, with what every machine has.
const ID: &str = r#"sed 's/.*"order_id":"\([^"]*\)".*/\1/'"#;

fn part(title: &str) {
    println!("\n{}", style(format!("# {title}")).dim());
}

fn place(order_url: &str, key: &str, payment_method: &'static str) -> String {
    let request =
        Request { key: "me".to_owned(), sku: "ribbon", quantity: 2, payment_method, country: "FR" };
    let headers = format!("-H 'Content-Type: application/json' -H 'Idempotency-Key: {key}'");
    format!("curl -s {order_url}/orders {headers} \\\n  -d '{}' \\\n ", request.body())
}

//! The load generator as a program.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use contracts::Topics;
use farandole_load::{
    Arrivals, Latency, Length, Load, Mix, Phase, Progress, Target, open_shop, run,
};
use indicatif::{ProgressBar, ProgressStyle};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Puts load on a running fleet and tells how it fares.
///
/// Orders arrive on schedule, whatever the fleet does, and each is followed to its end through the
/// order service's topic. Latency counts from when an order was meant to arrive.
///
///   farandole-load --rate 500 --duration 30
///   farandole-load --steps 500,1000,2000 --declined 5 --refused 1
///   farandole-load --closed 64 --json result.json
#[derive(Parser)]
#[command(version, verbatim_doc_comment, max_term_width = 100)]
struct Arguments {
    /// Orders a second
    #[arg(long, value_name = "ORDERS", default_value_t = 100.0, value_parser = positive)]
    rate: f64,
    /// Several rates one after the other, instead of --rate
    #[arg(long, value_name = "RATE,…", value_delimiter = ',', value_parser = positive)]
    steps: Vec<f64>,
    /// A closed loop instead: so many orders under way at all times
    #[arg(long, value_name = "ORDERS", conflicts_with_all = ["rate", "steps"])]
    closed: Option<usize>,
    /// Orders arrive at random times, as independent customers do, instead of evenly
    #[arg(long)]
    random: bool,
    /// How long to measure each rate, in seconds
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = positive)]
    duration: f64,
    /// How long before measuring, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    warm_up: f64,
    /// How long to wait at the end for orders under way, in seconds
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    patience: f64,
    /// Connections to the order service
    #[arg(long, value_name = "NUMBER", default_value_t = 256,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Share of orders whose card is declined, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    declined: f64,
    /// Share of orders that the carrier refuses, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    refused: f64,
    /// Share of orders for what is not in stock, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    out_of_stock: f64,
    /// Share of orders whose payment answers the third time only, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    flaky: f64,
    /// How many SKUs there are; with 1, all orders are for the same
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    skus: u32,
    /// How much some SKUs are preferred: the exponent of Zipf's law, 0 for not at all
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.0)]
    skew: f64,
    /// Writes the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The order service; its instances take turns
    #[arg(
        long,
        env = "ORDER_URL",
        value_name = "URL,…",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8081"
    )]
    order_url: Vec<String>,
    /// The inventory service, to put something in stock
    #[arg(
        long,
        env = "INVENTORY_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8082"
    )]
    inventory_url: String,
    /// Kafka's brokers, to see orders end
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        value_name = "HOST:PORT,…",
        default_value = "localhost:9092"
    )]
    kafka_brokers: String,
    /// Put before every topic, as the services have it
    #[arg(long, env = "TOPIC_PREFIX", value_name = "TEXT", default_value = "")]
    topic_prefix: String,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if number > 0.0 && number <= 1e6 {
        Ok(number)
    } else {
        Err("expected 0 < n ≤ 10⁶".to_owned())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let topics: Topics = arguments.topic_prefix.parse()?;
    let target = Target {
        order_urls: arguments.order_url.clone(),
        inventory_url: arguments.inventory_url.clone(),
        kafka_brokers: arguments.kafka_brokers.clone(),
        topics,
    };
    let mix = Mix {
        declined: arguments.declined,
        refused: arguments.refused,
        out_of_stock: arguments.out_of_stock,
        flaky: arguments.flaky,
        skus: arguments.skus as usize,
        skew: arguments.skew,
    };
    eprintln!("putting {} SKUs for sale", mix.skus);
    open_shop(&target, &mix).await.context("cannot put anything for sale")?;
    let mut phases = Vec::new();
    heading();
    for arrivals in arguments.arrivals() {
        let load = Load {
            arrivals,
            mix,
            warm_up: seconds(arguments.warm_up),
            length: Length::Time(seconds(arguments.duration)),
            patience: seconds(arguments.patience),
            connections: arguments.connections.into(),
        };
        let bar = progress_bar(&load);
        let phase = run(&target, &load, async |progress| tell(&bar, &progress)).await?;
        bar.finish_and_clear();
        row(&phase);
        phases.push(phase);
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&phases)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    anyhow::ensure!(
        phases.iter().all(|phase| phase.unfinished == 0),
        "not all orders have ended; `farandole orders stuck` tells why"
    );
    Ok(())
}

impl Arguments {
    fn arrivals(&self) -> Vec<Arrivals> {
        if let Some(at_once) = self.closed {
            return vec![Arrivals::Closed(at_once)];
        }
        let rates = if self.steps.is_empty() { vec![self.rate] } else { self.steps.clone() };
        let open = |rate| if self.random { Arrivals::Random(rate) } else { Arrivals::Even(rate) };
        rates.into_iter().map(open).collect()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0))
}

fn progress_bar(load: &Load) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.set_message(format!("warming up for {:?}", load.warm_up));
    bar
}

fn tell(bar: &ProgressBar, progress: &Progress) {
    let Progress { offered, placed, ended, under_way, .. } = progress;
    bar.tick();
    bar.set_message(format!(
        "{offered} offered, {placed} placed, {ended} ended, {under_way} under way"
    ));
}

fn heading() {
    println!(
        "{:>8} {:>8} {:>9} {:>9} {:>7} {:>7}  {:^23}  {:^31}",
        "offered/s", "ended/s", "completed", "cancelled", "refused", "broken", "POST ms", "end ms"
    );
    println!(
        "{:>56}  {:>7} {:>7} {:>7}  {:>7} {:>7} {:>7} {:>7}",
        "", "p50", "p99", "max", "p50", "p90", "p99", "max"
    );
}

fn row(phase: &Phase) {
    let Phase { offered_per_second, ended_per_second, completed, cancelled, broken, .. } = phase;
    let refused: u64 = phase.refused.values().sum();
    let Latency { p50, p99, max, .. } = phase.post;
    let end = phase.end;
    println!(
        "{offered_per_second:>9.0} {ended_per_second:>8.0} {completed:>9} {cancelled:>9} \
         {refused:>7} {broken:>7}  {p50:>7.1} {p99:>7.1} {max:>7.1}  {:>7.1} {:>7.1} {:>7.1} {:>7.1}",
        end.p50, end.p90, end.p99, end.max
    );
}

use std::time::{Duration, Instant};

use kafka::{ClientQuota, Limit, Publisher, Quota, quotas, set_quotas};
use serde_json::{Value, json};

use crate::clients;
use crate::commands::dlq::{Author, Consent, words};
use crate::connections::Connections;
use crate::print::remark;
use crate::recovery::{Kind, Recorder};
use crate::table::table;

/// A limit below this is asked about, in bytes a second: a single order takes some 5,000 bytes, so
/// that 2,000 stop a fleet of any size.
const LOW: u32 = 1_000_000;
/// How long the brokers may take to hear of quotas.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(100);

/// How fast the services may be.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Hold each service to producing so many bytes a second to each broker, by a Kafka quota for
    /// its client id; `none` removes that. By default quotas are left as they are
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    producer_byte_rate: Option<Limit>,
    /// The same for consuming
    #[arg(long, value_name = "BYTES|none", value_parser = limit)]
    consumer_byte_rate: Option<Limit>,
    #[command(flatten)]
    consent: Consent,
    /// Why the quotas are set, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
    #[command(flatten)]
    author: Author,
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit::Remove);
    }
    let bytes = text.parse().ok().filter(|bytes| *bytes >= 1_024);
    bytes.map(Limit::Set).ok_or_else(|| "expected a number of bytes from 1024, or none".to_owned())
}

/// What was found.
pub(super) struct Found {
    quotas: Vec<ClientQuota>,
    /// None is set but those that were asked for.
    pub(super) as_asked: bool,
}

impl Arguments {
    fn quota(&self) -> Quota {
        Quota {
            producer: self.producer_byte_rate.unwrap_or_default(),
            consumer: self.consumer_byte_rate.unwrap_or_default(),
        }
    }

    /// Asks whether so low a limit is meant.
    pub(super) fn consent(&self, check: bool) -> anyhow::Result<()> {
        let Quota { producer, consumer } = self.quota();
        let low = [producer, consumer].into_iter().find_map(|limit| match limit {
            Limit::Set(bytes) if bytes < LOW => Some(bytes),
            _ => None,
        });
        let Some(bytes) = low.filter(|_| !check) else { return Ok(()) };
        let question = format!("Hold each service to {bytes} bytes a second? Orders may lapse.");
        anyhow::ensure!(self.consent.given(&question)?, "nothing was done");
        Ok(())
    }

    /// Sets what is asked for, and writes it into the log with what was before.
    pub(super) async fn set(&self, connections: &Connections) -> anyhow::Result<()> {
        let quota = self.quota();
        if quota == Quota::default() {
            return Ok(());
        }
        let clients = clients(&connections.topic_prefix);
        let before = quotas(&connections.kafka_brokers, &clients).await?;
        let before: Vec<String> = before.iter().map(|one| said(one).join(" ")).collect();
        let before = if before.is_empty() { "no quotas".to_owned() } else { before.join("; ") };
        let asked_for = format!(
            "--producer-byte-rate {} --consumer-byte-rate {}",
            asked(quota.producer),
            asked(quota.consumer)
        );
        let publisher = Publisher::new(&connections.kafka_brokers)?;
        let topic = connections.topic_prefix.operations();
        let reason = self.reason.as_deref();
        let began = self.author.begins(Kind::SetQuotas, asked_for, clients.len(), reason);
        let recorder = Recorder::begin(&publisher, topic, began).await?;
        let set = set_quotas(&connections.kafka_brokers, &clients, quota).await;
        let outcome = match &set {
            Ok(()) => format!("set; before: {before}"),
            Err(error) => format!("not set: {error}"),
        };
        recorder.end(outcome).await?;
        set?;
        remark(&format!("Quotas are set for the client ids {}.", clients.join(", ")));
        Ok(())
    }

    /// The quotas there are. That they cannot be asked for is no reason to tell nothing.
    pub(super) async fn find(&self, connections: &Connections) -> Found {
        let clients = clients(&connections.topic_prefix);
        let quotas = match quotas(&connections.kafka_brokers, &clients).await {
            Ok(quotas) => quotas,
            Err(error) => {
                remark(&format!("quotas cannot be seen: {error}"));
                Vec::new()
            }
        };
        let Quota { producer, consumer } = self.quota();
        let is = |wanted: Limit, found: Option<f64>| match (wanted, found) {
            (_, None) => true,
            (Limit::Set(bytes), Some(found)) => (found - f64::from(bytes)).abs() < 0.5,
            (Limit::Leave | Limit::Remove, Some(_)) => false,
        };
        let as_asked = quotas
            .iter()
            .all(|one| is(producer, one.producer_bytes) && is(consumer, one.consumer_bytes));
        Found { quotas, as_asked }
    }

    /// The quotas there are once the brokers have heard of what was set, which is a little later than the
    /// controller says that it is done.
    pub(super) async fn find_set(&self, connections: &Connections) -> Found {
        let Quota { producer, consumer } = self.quota();
        let sets = [producer, consumer].iter().any(|limit| matches!(limit, Limit::Set(_)));
        let clients = clients(&connections.topic_prefix);
        let until = Instant::now() + HEARD_WITHIN;
        loop {
            let found = self.find(connections).await;
            let has = |client| found.quotas.iter().any(|it| it.client.as_ref() == Some(client));
            let is_heard = found.as_asked && (!sets || clients.iter().all(has));
            if is_heard || Instant::now() >= until {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn asked(limit: Limit) -> String {
    match limit {
        Limit::Leave => "as it is".to_owned(),
        Limit::Remove => "none".to_owned(),
        Limit::Set(bytes) => bytes.to_string(),
    }
}

/// Client, producing, consuming.
fn said(quota: &ClientQuota) -> [String; 3] {
    let bytes = |rate: Option<f64>| {
        rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0} bytes/s"))
    };
    let client = quota.client.clone().unwrap_or_else(|| "(all others)".to_owned());
    [client, bytes(quota.producer_bytes), bytes(quota.consumer_bytes)]
}

impl Found {
    pub(super) fn as_json(&self) -> Vec<Value> {
        let quota = |quota: &ClientQuota| {
            json!({
                "client": quota.client,
                "producer_bytes": quota.producer_bytes,
                "consumer_bytes": quota.consumer_bytes,
            })
        };
        self.quotas.iter().map(quota).collect()
    }

    pub(super) fn as_text(&self, check: bool) -> String {
        if self.quotas.is_empty() {
            return String::new();
        }
        let rows = table(["CLIENT", "PRODUCES", "CONSUMES"], self.quotas.iter().map(said));
        let next = if self.as_asked || !check {
            String::new()
        } else {
            "\nThese quotas hold services back. Next, if they are not meant: farandole topics create \
             --producer-byte-rate none --consumer-byte-rate none"
                .to_owned()
        };
        format!("\n\n{rows}{next}")
    }
}

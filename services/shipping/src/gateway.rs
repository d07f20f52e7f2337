use contracts::operations::Said;
use messaging::{Call, CallError};
use runtime::Simulation;
use uuid::Uuid;

use crate::domain::{Effect, Input, Shipment};
use crate::events::reads::Recipient;

/// How the simulated carrier behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Simulated carrier")]
pub struct Settings {
    /// How long the carrier takes to answer, in milliseconds.
    #[arg(long, env = "SIM_CARRIER_LATENCY_MS", value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    sim_carrier_latency_ms: u64,
    /// How many of a hundred calls fail without an answer, by chance.
    #[arg(long, env = "SIM_CARRIER_ERROR_PERCENT", value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    sim_carrier_error_percent: u8,
}

/// The carrier: a simulation of one that knows calls by an idempotency key. Here the answer
/// follows from the key and the address alone, so that it is the same even after a crash of this
/// process. It does not serve the country `XX`.
#[derive(Debug)]
pub struct Gateway {
    carrier: Simulation,
}

impl messaging::Gateway<Effect, Input> for Gateway {
    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        let Effect::Book { recipient } = &call.effect;
        self.book(&call.idempotency_key(), recipient).await
    }

    fn said(&self, _: &Effect, said: &Said) -> Result<Input, String> {
        match said.outcome.as_str() {
            "booked" => Ok(Input::Booked(Shipment {
                shipment_id: said.detail("id")?,
                carrier: said.detail("carrier")?,
                tracking_number: said.detail("tracking-number")?,
            })),
            "refused" => Ok(Input::Refused { reason: said.detail("because")? }),
            _ => Err(said.is_none_of(
                "booked --id SHIPMENT --carrier NAME --tracking-number NUMBER, \
                 refused --because REASON",
            )),
        }
    }
}

impl From<Settings> for Gateway {
    fn from(settings: Settings) -> Self {
        let Settings { sim_carrier_latency_ms, sim_carrier_error_percent } = settings;
        let carrier =
            Simulation::new("the carrier", sim_carrier_latency_ms, sim_carrier_error_percent);
        Self { carrier }
    }
}

impl Gateway {
    async fn book(&self, key: &str, to: &Recipient) -> Result<Input, CallError> {
        self.carrier.answer().await?;
        if to.country == "XX" {
            return Ok(Input::Refused { reason: "destination_not_served".to_owned() });
        }
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, key.as_bytes()).simple().to_string();
        Ok(Input::Booked(Shipment {
            shipment_id: format!("sh_{id}"),
            carrier: "Farandole Post".to_owned(),
            tracking_number: format!("FP{}", id[..12].to_uppercase()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_key_has_the_same_answer_and_xx_is_refused() {
        let gateway =
            Gateway::from(Settings { sim_carrier_latency_ms: 0, sim_carrier_error_percent: 0 });
        let to = |country: &str| Recipient {
            name: "N".into(),
            street: "S".into(),
            city: "C".into(),
            postal_code: "P".into(),
            country: country.into(),
        };
        let first = gateway.book("k", &to("FR")).await.unwrap();
        assert_eq!(gateway.book("k", &to("FR")).await.unwrap(), first);
        assert!(matches!(gateway.book("k", &to("XX")).await.unwrap(), Input::Refused { .. }));
    }
}

use std::borrow::Cow;

use contracts::operations::Said;
use kernel::Money;
use messaging::{Call, CallError};
use runtime::Simulation;
use uuid::Uuid;

use crate::domain::{Effect, Input};

/// How the simulated payment provider behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Simulated payment provider")]
pub struct Settings {
    /// How long the provider takes to answer, in milliseconds.
    #[arg(long, env = "SIM_PAYMENT_LATENCY_MS", value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    sim_payment_latency_ms: u64,
    /// How many of a hundred calls fail without an answer, by chance.
    #[arg(long, env = "SIM_PAYMENT_ERROR_PERCENT", value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    sim_payment_error_percent: u8,
}

/// How a charge ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The money is there.
    Confirmed { charge_id: String },
    /// It will not come.
    Declined { reason: String },
}

/// The payment provider: a simulation of one that, like Stripe, knows calls by an idempotency key
/// and gives the same answer to the same key. Here the answer follows from the key and the payment
/// method alone, so that it is the same even after a crash of this process.
#[derive(Debug)]
pub struct Gateway {
    provider: Simulation,
}

impl messaging::Gateway<Effect, Input> for Gateway {
    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        let key = call.idempotency_key();
        match &call.effect {
            Effect::Charge { payment_method, channel, .. } => {
                Ok(match self.charge(&key, call.attempts, payment_method, channel).await? {
                    Charge::Confirmed { charge_id } => Input::Charged { charge_id },
                    Charge::Declined { reason } => Input::Declined { reason },
                })
            }
            Effect::Refund { charge_id, amount } => {
                let refund_id = self.refund(&key, charge_id, *amount).await?;
                Ok(Input::Refunded { refund_id })
            }
        }
    }

    fn destination(&self, call: &Call<Effect>) -> Cow<'static, str> {
        Cow::Borrowed(match &call.effect {
            Effect::Charge { payment_method, .. } => Self::network(payment_method),
            Effect::Refund { .. } => "",
        })
    }

    fn said(&self, effect: &Effect, said: &Said) -> Result<Input, String> {
        let outcomes = match (effect, said.outcome.as_str()) {
            (Effect::Charge { .. }, "charged") => {
                return Ok(Input::Charged { charge_id: said.detail("id")? });
            }
            (Effect::Charge { .. }, "declined") => {
                return Ok(Input::Declined { reason: said.detail("because")? });
            }
            (Effect::Refund { .. }, "refunded") => {
                return Ok(Input::Refunded { refund_id: said.detail("id")? });
            }
            (Effect::Charge { .. }, _) => "charged --id CHARGE, declined --because REASON",
            (Effect::Refund { .. }, _) => "refunded --id REFUND",
        };
        Err(said.is_none_of(outcomes))
    }
}

impl From<Settings> for Gateway {
    fn from(settings: Settings) -> Self {
        let Settings { sim_payment_latency_ms, sim_payment_error_percent } = settings;
        let provider =
            Simulation::new("the provider", sim_payment_latency_ms, sim_payment_error_percent);
        Self { provider }
    }
}

impl Gateway {
    /// Takes the money. Payment methods are named like Stripe's in its test mode, and a few more
    /// for trouble: `pm_sim_flaky` answers the third time, `pm_sim_down` never. As with Stripe,
    /// `pm_card_authenticationRequired` is declined unless the order came by phone or by mail (MOTO):
    /// such payments are exempt from strong customer authentication.
    pub(crate) async fn charge(
        &self,
        key: &str,
        attempts: u32,
        payment_method: &str,
        channel: &str,
    ) -> Result<Charge, CallError> {
        self.provider.answer().await?;
        match payment_method {
            "pm_sim_down" => std::future::pending().await,
            "pm_sim_flaky" if attempts < 2 => Err(CallError("the provider timed out".to_owned())),
            "pm_card_visa_chargeDeclined" => {
                Ok(Charge::Declined { reason: "card_declined".to_owned() })
            }
            "pm_card_authenticationRequired" if channel != "phone" => {
                Ok(Charge::Declined { reason: "authentication_required".to_owned() })
            }
            "pm_card_visa" | "pm_sim_flaky" | "pm_card_authenticationRequired" => {
                Ok(Charge::Confirmed { charge_id: format!("ch_{}", id_of(key)) })
            }
            _ => Ok(Charge::Declined { reason: "payment_method_unknown".to_owned() }),
        }
    }

    /// Who answers for a payment method: the card network of `pm_card_visa` is visa's. There are as
    /// many as there are networks; whatever a client makes up is one of them.
    pub(crate) fn network(payment_method: &str) -> &'static str {
        const NETWORKS: [(&str, &str); 5] = [
            ("pm_card_visa", "visa"),
            ("pm_card_mastercard", "mastercard"),
            ("pm_card_authenticationRequired", "visa"),
            // It stands for what happens now and then at any network.
            ("pm_sim_flaky", "visa"),
            ("pm_sim_down", "sim_down"),
        ];
        let known = NETWORKS.iter().find(|(prefix, _)| payment_method.starts_with(prefix));
        known.map_or("others", |(_, network)| network)
    }

    /// Gives the money back, and returns the refund's id.
    pub(crate) async fn refund(
        &self,
        key: &str,
        _charge_id: &str,
        _amount: Money,
    ) -> Result<String, CallError> {
        self.provider.answer().await?;
        Ok(format!("re_{}", id_of(key)))
    }
}

fn id_of(key: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, key.as_bytes()).simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Gateway {
        Gateway::from(Settings { sim_payment_latency_ms: 0, sim_payment_error_percent: 0 })
    }

    #[tokio::test]
    async fn the_same_key_has_the_same_answer() {
        let first = gateway().charge("o/charge", 0, "pm_card_visa", "web").await.unwrap();
        assert_eq!(gateway().charge("o/charge", 5, "pm_card_visa", "web").await.unwrap(), first);
        assert_ne!(gateway().charge("p/charge", 0, "pm_card_visa", "web").await.unwrap(), first);
    }

    #[tokio::test]
    async fn who_orders_by_phone_need_not_authenticate() {
        const CARD: &str = "pm_card_authenticationRequired";
        for (channel, is_charged) in [("web", false), ("app", false), ("phone", true)] {
            let charge = gateway().charge("k", 0, CARD, channel).await.unwrap();
            assert_eq!(matches!(charge, Charge::Confirmed { .. }), is_charged, "{channel}");
        }
    }

    #[tokio::test]
    async fn a_flaky_method_answers_the_third_time() {
        for attempts in 0..2 {
            assert!(gateway().charge("k", attempts, "pm_sim_flaky", "web").await.is_err());
        }
        let third = gateway().charge("k", 2, "pm_sim_flaky", "web").await.unwrap();
        assert!(matches!(third, Charge::Confirmed { .. }));
    }
}

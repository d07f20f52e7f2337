use std::time::Duration;

use contracts::operations::Said;
use messaging::{Call, CallError};
use runtime::Simulation;
use uuid::Uuid;

use crate::domain::{Effect, Input};
use crate::events::Outcome;
use crate::events::reads::Recipient;

/// How the simulated mail server behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Simulated mail server")]
#[group(skip)]
pub struct Settings {
    /// How long the mail server takes to answer, in milliseconds.
    #[arg(long, env = "SIM_MAIL_LATENCY_MS", value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    sim_mail_latency_ms: u64,
    /// How many of a hundred calls fail without an answer, by chance.
    #[arg(long, env = "SIM_MAIL_ERROR_PERCENT", value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    sim_mail_error_percent: u8,
    /// How long a message is tried before it is given up, in seconds. Given up it is only when the mail
    /// server does not answer; what it refuses for good is given up at once.
    #[arg(long, env = "MAIL_GIVE_UP_AFTER_S", value_name = "S", default_value_t = 86_400,
          help_heading = "Messages", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    mail_give_up_after_s: u64,
}

/// How a mail ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mail {
    /// The mail server has it.
    Taken { message_id: String },
    /// It will never take it.
    Refused { reason: String },
}

/// The mail server: a simulation of one that knows mails by their `Message-ID`. Here that follows
/// from the idempotency key, so that it is the same even after a crash of this process. It refuses
/// addresses whose local part is `undeliverable`.
///
/// SMTP does not know mails by their `Message-ID`: through a server that only speaks that, a mail
/// whose answer was lost is sent twice. "At most one message per outcome" needs a provider with
/// idempotency keys.
#[derive(Debug)]
pub struct Gateway {
    mail_server: Simulation,
    give_up_after: Duration,
}

impl messaging::Gateway<Effect, Input> for Gateway {
    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        let Effect::Mail { outcome, recipient } = &call.effect;
        let outcome = *outcome;
        Ok(match self.send(&call.idempotency_key(), outcome, recipient).await? {
            Mail::Taken { message_id } => Input::Sent { outcome, message_id },
            Mail::Refused { reason } => Input::GivenUp { outcome, reason },
        })
    }

    fn give_up(&self, call: &Call<Effect>) -> Option<Input> {
        let Effect::Mail { outcome, .. } = call.effect;
        let reason = "mail_server_unavailable".to_owned();
        (call.age >= self.give_up_after).then_some(Input::GivenUp { outcome, reason })
    }

    fn gives_up(&self, outcome: &Input) -> bool {
        matches!(outcome, Input::GivenUp { .. })
    }

    fn again(&self, effect: &Effect) -> Option<Input> {
        let Effect::Mail { outcome, recipient } = effect.clone();
        Some(Input::Retried { outcome, recipient })
    }

    fn said(&self, effect: &Effect, said: &Said) -> Result<Input, String> {
        let Effect::Mail { outcome, .. } = *effect;
        match said.outcome.as_str() {
            "sent" => Ok(Input::Sent { outcome, message_id: said.detail("id")? }),
            "given-up" => Ok(Input::GivenUp { outcome, reason: said.detail("because")? }),
            _ => Err(said.is_none_of("sent --id MESSAGE_ID, given-up --because REASON")),
        }
    }
}

impl From<Settings> for Gateway {
    fn from(settings: Settings) -> Self {
        let Settings { sim_mail_latency_ms, sim_mail_error_percent, mail_give_up_after_s } =
            settings;
        let mail_server =
            Simulation::new("the mail server", sim_mail_latency_ms, sim_mail_error_percent);
        Self { mail_server, give_up_after: Duration::from_secs(mail_give_up_after_s) }
    }
}

impl Gateway {
    /// Hands a mail over.
    pub(crate) async fn send(
        &self,
        key: &str,
        _outcome: Outcome,
        to: &Recipient,
    ) -> Result<Mail, CallError> {
        self.mail_server.answer().await?;
        if to.email.starts_with("undeliverable@") {
            return Ok(Mail::Refused { reason: "address_rejected".to_owned() });
        }
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, key.as_bytes());
        Ok(Mail::Taken { message_id: format!("<{id}@farandole.invalid>") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_key_has_the_same_answer_and_a_bad_address_is_refused() {
        let gateway = Gateway::from(Settings {
            sim_mail_latency_ms: 0,
            sim_mail_error_percent: 0,
            mail_give_up_after_s: 0,
        });
        let to = |email: &str| Recipient { name: "N".into(), email: email.into() };
        let (good, bad) = (to("a@example.org"), to("undeliverable@example.org"));
        let first = gateway.send("k", Outcome::Confirmed, &good).await.unwrap();
        assert_eq!(gateway.send("k", Outcome::Confirmed, &good).await.unwrap(), first);
        let refused = gateway.send("k", Outcome::Confirmed, &bad).await.unwrap();
        assert!(matches!(refused, Mail::Refused { .. }));
    }
}

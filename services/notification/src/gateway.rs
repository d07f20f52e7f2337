use std::time::Duration;

use messaging::CallError;
use uuid::Uuid;

use crate::events::Outcome;
use crate::events::reads::Recipient;

/// How the simulated mail server behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Simulated mail server")]
pub(crate) struct Settings {
    /// How long the mail server takes to answer, in milliseconds.
    #[arg(long, env = "SIM_MAIL_LATENCY_MS", value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    sim_mail_latency_ms: u64,
    /// How many of a hundred calls fail without an answer, by chance.
    #[arg(long, env = "SIM_MAIL_ERROR_PERCENT", value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    sim_mail_error_percent: u8,
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
pub(crate) struct Gateway {
    settings: Settings,
}

impl Gateway {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Hands a mail over.
    pub(crate) async fn send(
        &self,
        key: &str,
        _outcome: Outcome,
        to: &Recipient,
    ) -> Result<Mail, CallError> {
        if self.settings.sim_mail_latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.settings.sim_mail_latency_ms)).await;
        }
        if fastrand::u8(0..100) < self.settings.sim_mail_error_percent {
            return Err(CallError("the mail server did not answer".to_owned()));
        }
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
        let gateway = Gateway::new(Settings { sim_mail_latency_ms: 0, sim_mail_error_percent: 0 });
        let to = |email: &str| Recipient { name: "N".into(), email: email.into() };
        let (good, bad) = (to("a@example.org"), to("undeliverable@example.org"));
        let first = gateway.send("k", Outcome::Confirmed, &good).await.unwrap();
        assert_eq!(gateway.send("k", Outcome::Confirmed, &good).await.unwrap(), first);
        let refused = gateway.send("k", Outcome::Confirmed, &bad).await.unwrap();
        assert!(matches!(refused, Mail::Refused { .. }));
    }
}

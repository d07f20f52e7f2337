use std::time::Duration;

use messaging::CallError;

/// How a simulated provider behaves: it takes its time, and now and then gives no answer.
#[derive(Debug, Clone, Copy)]
pub struct Simulation {
    provider: &'static str,
    latency: Duration,
    error_percent: u8,
}

impl Simulation {
    /// Of a provider that is called this, such as `the carrier`; it answers after `latency_ms`
    /// milliseconds, and `error_percent` of a hundred calls not at all.
    pub fn new(provider: &'static str, latency_ms: u64, error_percent: u8) -> Self {
        Self { provider, latency: Duration::from_millis(latency_ms), error_percent }
    }

    /// Returns when it answers; an error if it does not.
    pub async fn answer(&self) -> Result<(), CallError> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if fastrand::u8(0..100) < self.error_percent {
            return Err(CallError(format!("{} did not answer", self.provider)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_as_often_as_it_is_told() {
        assert!(Simulation::new("the carrier", 1, 0).answer().await.is_ok());
        let error = Simulation::new("the carrier", 0, 100).answer().await.unwrap_err();
        assert_eq!(error.to_string(), "the carrier did not answer");
    }
}

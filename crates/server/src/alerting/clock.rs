//! The clock: evaluators run at whole multiples of their period, each in a task of its own.
//!
//! An evaluator keeps what it must know next time in the metastore (`Metastore::put_evaluation`), together with the time up
//! to which it looked: a server that was down for an hour evaluates what it missed, as far as the evaluator's rules want it.
//! What it tells goes through the outbox with a key made of what happened and when, so nothing is told twice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{Services, now_unix_nano};

/// Something that looks at the data every now and then.
#[async_trait]
pub trait Evaluator: Send + Sync {
    /// Its name in the log and in the metastore, e.g. `cloudwatch.alarms`.
    fn name(&self) -> &'static str;

    fn every(&self) -> Duration;

    /// Looks once. One that takes longer than its period is called again when it is done.
    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError>;
}

/// Why an evaluation came to no end. The next one comes all the same.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Metastore(#[from] metastore::MetastoreError),
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    #[error(transparent)]
    Outbox(#[from] super::OutboxError),
    #[error("{0}")]
    Other(String),
}

/// Runs one evaluator until `stop`: at once, then at each whole multiple of its period.
pub async fn run(evaluator: Arc<dyn Evaluator>, services: Services, stop: CancellationToken) {
    loop {
        let now = now_unix_nano();
        tokio::select! {
            () = stop.cancelled() => return,
            evaluated = evaluator.evaluate(&services, now) => {
                if let Err(error) = evaluated {
                    tracing::warn!(evaluator = evaluator.name(), %error, "an evaluation failed");
                }
            }
        }
        let pause = until_next(evaluator.every(), now_unix_nano());
        if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

fn until_next(every: Duration, now_unix_nano: i64) -> Duration {
    let every = i64::try_from(every.as_nanos()).unwrap_or(i64::MAX).max(1);
    Duration::from_nanos(u64::try_from(every - now_unix_nano.rem_euclid(every)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_at_whole_multiples() {
        let ten = Duration::from_secs(10);
        assert_eq!(until_next(ten, 1_000_000_003_000_000_000), Duration::from_secs(7));
        assert_eq!(until_next(ten, 1_000_000_000_000_000_000), ten);
    }
}

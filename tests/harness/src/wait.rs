//! Waiting for a condition, with a bound. No test sleeps and hopes.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

/// Time between two looks: short against anything that a test waits for, long against a look's cost.
const PAUSE: Duration = Duration::from_millis(20);

/// Tries until it succeeds, or for `within`.
///
/// A condition that does not hold *yet* is an `Err` that says what is missing; the last one becomes
/// the cause of the error.
///
/// # Errors
/// If `attempt` did not succeed within that time; an attempt that hangs is cut off.
pub async fn eventually<T>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut reason = anyhow::anyhow!("the first attempt hung");
    loop {
        // An attempt that hangs must not hide why the one before it failed.
        match tokio::time::timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => reason = error,
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(reason.context(format!("not within {within:?}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;

    #[tokio::test]
    async fn what_becomes_true_is_waited_for() {
        let mut looks = 0;
        let seen = eventually(Duration::from_secs(5), async || {
            looks += 1;
            ensure!(looks == 3, "only {looks} looks");
            Ok(looks)
        });
        assert_eq!(seen.await.expect("it becomes true"), 3);
    }

    #[tokio::test]
    async fn what_never_becomes_true_fails_with_the_last_reason() {
        let never = eventually(Duration::from_millis(50), async || -> Result<()> {
            anyhow::bail!("no stream yet")
        });
        let error = format!("{:#}", never.await.expect_err("it never becomes true"));
        assert_eq!(error, "not within 50ms: no stream yet");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_cut_off() {
        let hung = eventually(Duration::from_millis(50), async || -> Result<()> {
            std::future::pending().await
        });
        assert!(hung.await.is_err());
    }
}

//! Trying again: full jitter, the gateway's own word on when, and an end.

use crate::failure::Failure;
use crate::gateway::Limits;
use smooai_smooth_operator_core::{LlmError, LlmErrorKind};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A source of numbers between 0 and 1, so that many waiting processes do not come back at once.
pub type Jitter = fn() -> f64;

/// Jitter from the operating system's random numbers.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Makes attempts until one succeeds, a failure is lasting, the attempts are used up, or the next one
/// would begin after `deadline`.
pub(crate) async fn attempts<T, F>(
    limits: &Limits,
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, LlmError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut made = 0;
    loop {
        let Failure { error, try_again } = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        made += 1;
        if !try_again || made >= limits.attempts {
            return Err(error);
        }
        let Some(pause) = pause(limits, made, &error) else { return Err(error) };
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(attempt = made, pause_ms = pause.as_millis() as u64, %error, "the gateway failed; trying again");
        sleep(pause).await;
    }
}

/// How long to wait after attempt number `made`: a random part of a doubling span, or what the gateway
/// asks for. `None` where it asks for longer than the limit: whoever waits for the answer learns it now.
fn pause(limits: &Limits, made: u32, error: &LlmError) -> Option<Duration> {
    let jitter = (limits.jitter)().clamp(0.0, 1.0);
    if let LlmErrorKind::RateLimited { retry_after: Some(asked) } = error.kind {
        return (asked <= limits.longest_pause).then(|| asked + limits.first_pause.mul_f64(jitter));
    }
    let span = limits.first_pause.saturating_mul(1 << (made - 1).min(16));
    Some(span.min(limits.longest_pause).mul_f64(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let second = Duration::from_secs(1);
        Limits { first_pause: second, longest_pause: 5 * second, jitter: || 0.5, ..Limits::default() }
    }

    #[test]
    fn pauses_double_up_to_the_limit_and_are_jittered() {
        let error = LlmError::new(LlmErrorKind::Unavailable, "");
        let pauses: Vec<u64> = (1..=40)
            .filter_map(|made| pause(&limits(), made, &error))
            .map(|pause| pause.as_millis() as u64)
            .collect();
        assert_eq!(pauses[..4], [500, 1_000, 2_000, 2_500]);
        assert!(pauses[4..].iter().all(|pause| *pause == 2_500));
    }

    #[test]
    fn the_gateways_word_counts_unless_it_is_too_long() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            pause(&limits(), 1, &LlmError::new(LlmErrorKind::RateLimited { retry_after }, ""))
        };
        assert_eq!(asked(3), Some(Duration::from_millis(3_500)));
        assert_eq!(asked(6), None);
    }

    #[test]
    fn random_jitter_stays_in_its_range() {
        let drawn: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(drawn.iter().any(|number| (number - drawn[0]).abs() > f64::EPSILON));
    }
}

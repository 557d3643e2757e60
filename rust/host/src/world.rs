//! The real clock and the real sources of chance.

use jiff::Timestamp;
use smooai_smooth_operator::World;

/// The machine's clock, and the operating system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealWorld;

/// One-time codes have six digits.
const CODES: u32 = 1_000_000;

impl World for RealWorld {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// Rejection sampling: numbers beyond the last whole multiple of the range would favour small codes.
    fn code(&self) -> u32 {
        const FAIR: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            #[expect(
                clippy::disallowed_methods,
                reason = "a random UUID is the operating system's random bits"
            )]
            let random = getrandom::u32().unwrap_or_else(|_| uuid::Uuid::new_v4().as_fields().0);
            if random < FAIR {
                return random % CODES;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_at_most_six_digits_and_differ() {
        let codes: std::collections::BTreeSet<u32> = (0..100).map(|_| RealWorld.code()).collect();
        assert!(codes.len() > 90);
        assert!(codes.iter().all(|code| *code < CODES));
    }
}

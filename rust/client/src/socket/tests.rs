//! Pauses between tries.

use super::*;

#[test]
fn pauses_are_full_jitter_from_half_a_second_to_twenty() {
    let settings = Settings::new(String::new());
    let longest: Vec<f64> = (0..8).map(|failures| pause(&settings, failures, 1.0).as_secs_f64()).collect();
    assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]);
    assert_eq!(pause(&settings, 3, 0.25), Duration::from_secs(1));
    assert_eq!(pause(&settings, u32::MAX, 0.0), Duration::ZERO);
}

#[test]
fn randomness_is_spread() {
    let drawn: Vec<f64> = (0..200).map(|_| random()).collect();
    assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)));
    assert!(drawn.iter().any(|number| *number < 0.3) && drawn.iter().any(|number| *number > 0.7));
}

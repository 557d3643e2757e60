//! Pauses between tries.

use super::*;

#[test]
fn pauses_are_full_jitter_from_half_a_second_to_twenty() {
    let options = Options::default();
    let longest: Vec<f64> = (0..8).map(|failures| pause(&options, failures, 1.0).as_secs_f64()).collect();
    assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]);
    assert_eq!(pause(&options, 3, 0.25), Duration::from_secs(1));
    assert_eq!(pause(&options, u32::MAX, 0.0), Duration::ZERO);
}

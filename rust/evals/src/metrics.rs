//! How good a ranking is, given what is right. All values are from 0 to 1; larger is better.

use std::collections::HashSet;
use std::hash::Hash;

/// The place of the first right answer, from 1.
pub fn first_rank<T: Eq + Hash>(ranking: &[T], right: &HashSet<T>) -> Option<usize> {
    ranking.iter().position(|answer| right.contains(answer)).map(|at| at + 1)
}

/// Which part of the right answers is among the first `k`; 0 where nothing is right.
pub fn recall<T: Eq + Hash>(ranking: &[T], right: &HashSet<T>, k: usize) -> f64 {
    let found: HashSet<&T> = ranking.iter().take(k).filter(|answer| right.contains(*answer)).collect();
    if right.is_empty() { 0.0 } else { count(found.len()) / count(right.len()) }
}

/// One over the place of the first right answer; 0 if there is none. Its mean over questions is MRR.
pub fn reciprocal_rank<T: Eq + Hash>(ranking: &[T], right: &HashSet<T>) -> f64 {
    first_rank(ranking, right).map_or(0.0, |rank| 1.0 / count(rank))
}

/// Normalised discounted cumulative gain (Järvelin, Kekäläinen 2002) of the first `k`, where an answer
/// is right or not: Σ 1 / log₂(1 + place), over what the best ranking would give.
pub fn ndcg<T: Eq + Hash>(ranking: &[T], right: &HashSet<T>, k: usize) -> f64 {
    let gain = |place: usize| 1.0 / count(place + 1).log2();
    let mut seen = HashSet::new();
    let places = ranking.iter().take(k).enumerate();
    let got: f64 = places
        .filter(|(_, answer)| right.contains(*answer) && seen.insert(*answer))
        .map(|(at, _)| gain(at + 1))
        .sum();
    let best: f64 = (1..=right.len().min(k)).map(gain).sum();
    if best > 0.0 { got / best } else { 0.0 }
}

/// The mean; 0 of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / count(values.len()) }
}

/// So many samples are drawn for an interval.
const SAMPLES: usize = 2_000;

/// Where the mean lies with 95 %: by the bootstrap (Efron 1979), which draws as many values as there are,
/// with repetition, again and again. The draws are the same on every machine.
#[must_use]
pub fn interval(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mut state = 7;
    let mut means: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let drawn = values.iter().map(|_| values[below(&mut state, values.len())]);
            drawn.sum::<f64>() / count(values.len())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[SAMPLES / 40], means[SAMPLES - 1 - SAMPLES / 40])
}

/// A number below `limit`, by SplitMix64 (Steele, Lea, Flood 2014).
fn below(state: &mut u64, limit: usize) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    // The high half of the product is even over the limit.
    ((u128::from(mixed) * limit as u128) >> 64) as usize
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
    }

    #[test]
    fn a_perfect_ranking_scores_one_and_a_wrong_one_nothing() {
        let right = HashSet::from(["a", "b"]);
        near(recall(&["a", "b", "c"], &right, 2), 1.0);
        near(reciprocal_rank(&["a"], &right), 1.0);
        near(ndcg(&["b", "a", "c"], &right, 10), 1.0);
        near(recall(&["x"], &right, 1) + reciprocal_rank(&["x"], &right) + ndcg(&["x"], &right, 1), 0.0);
        assert_eq!(first_rank(&["x", "b"], &right), Some(2));
    }

    #[test]
    fn values_of_the_definitions() {
        let right = HashSet::from(["a", "b"]);
        near(recall(&["x", "a", "y", "b"], &right, 3), 0.5);
        near(reciprocal_rank(&["x", "y", "a"], &right), 1.0 / 3.0);
        // (1/log₂3 + 1/log₂5) / (1/log₂2 + 1/log₂3)
        near(ndcg(&["x", "a", "y", "b"], &right, 10), 0.650_920_929_807_132_6);
        near(ndcg(&["x", "a", "y", "b"], &right, 3), 0.386_852_807_234_541_65);
    }

    #[test]
    fn nothing_right_is_no_division_by_zero_and_a_repetition_counts_once() {
        near(recall(&["a"], &HashSet::new(), 5) + ndcg(&["a"], &HashSet::new(), 5), 0.0);
        near(recall(&["a", "a"], &HashSet::from(["a", "b"]), 5), 0.5);
        near(ndcg(&["a", "a"], &HashSet::from(["a"]), 5), 1.0);
    }

    #[test]
    fn an_interval_holds_the_mean_and_narrows_with_the_number_of_values() {
        let values = |n: usize| (0..n).map(|i| f64::from(u8::from(i % 2 == 0))).collect::<Vec<_>>();
        let (low, high) = interval(&values(100));
        // A mean of 0.5 over 100 draws of 0 or 1 has a standard deviation of 0.05.
        assert!((0.38..0.42).contains(&low) && (0.58..0.62).contains(&high), "{low} {high}");
        let (narrow_low, narrow_high) = interval(&values(10_000));
        assert!(narrow_high - narrow_low < (high - low) / 8.0);
        assert_eq!(interval(&values(100)), (low, high));
        assert_eq!(interval(&[0.25; 9]), (0.25, 0.25));
        assert_eq!((interval(&[]), mean(&[])), ((0.0, 0.0), 0.0));
    }
}

//! Chance that comes out the same for the same seed, on every machine.

/// A stream of numbers (splitmix64, by Steele, Lea and Flood).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A stream of its own for each seed, name and number.
    pub fn new(seed: u64, name: &str, number: u64) -> Self {
        let mut dice = Self(seed);
        for byte in name.bytes() {
            dice.0 ^= u64::from(byte);
            dice.next();
        }
        dice.0 = dice.0.wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95));
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: i128, most: i128) -> i128 {
        let span = most.saturating_sub(least).saturating_add(1).max(1);
        least + (i128::from(self.next()) << 32 | i128::from(self.next() >> 32)).rem_euclid(span)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the items; nothing when there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Another order of the items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_another_name_another() {
        let roll = |seed, name, number| {
            let mut dice = Dice::new(seed, name, number);
            [dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(roll(1, "Book", 3), roll(1, "Book", 3));
        let others = [roll(2, "Book", 3), roll(1, "Koob", 3), roll(1, "Book", 4)];
        assert!(others.iter().all(|other| *other != roll(1, "Book", 3)), "{others:?}");
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut dice = Dice::new(1, "", 0);
        let rolls: Vec<i128> = (0..200).map(|_| dice.between(-2, 2)).collect();
        assert!((-2..=2).all(|value| rolls.contains(&value)) && rolls.iter().all(|value| value.abs() <= 2));
        let wide = dice.between(i64::MIN.into(), u64::MAX.into());
        assert!((i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&wide));
        assert_eq!((dice.between(7, 7), dice.below(0), dice.pick::<u8>(&[])), (7, 0, None));
    }
}

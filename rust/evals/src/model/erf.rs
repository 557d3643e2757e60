//! The error function, which Rust's standard library lacks.

/// Abramowitz and Stegun, 7.1.26: wrong by 1.5e-7 at most, which is what `f32` holds.
pub fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let sum = series.into_iter().fold(0.0_f32, |sum, factor| (sum + factor) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x)
}

/// The activation of BERT: x times the part of a normal distribution that lies below x.
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_tables() {
        for (x, expected) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (-1.0, -0.842_700_8), (3.0, 0.999_977_9)]
        {
            assert!((erf(x) - expected).abs() < 5e-7, "erf({x}) is {}", erf(x));
        }
        assert!((gelu(1.0) - 0.841_344_7).abs() < 5e-7 && gelu(-20.0).abs() < 1e-6);
    }
}

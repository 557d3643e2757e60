//! The table that the bench prints: what was measured, beside what it is held against, and the aim.

use std::io::Write;

use anyhow::Result;
use smooai_smooth_operator_conformance::figures::{number, table};

/// What a measure should reach.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// Only shown.
    None,
    /// The value itself.
    AtMost(f64),
    /// The value itself.
    AtLeast(f64),
    /// The value over the yardstick.
    RatioAtMost(f64),
}

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    /// Adds a measure that stands alone.
    pub fn single(&mut self, name: &str, value: f64, aim: Aim) {
        self.row(name, value, None, aim);
    }

    /// Adds a measure beside its yardstick.
    pub fn compare(&mut self, name: &str, value: f64, (yardstick, what): (f64, &str), aim: Aim) {
        self.row(name, value, Some((yardstick, what)), aim);
    }

    fn row(&mut self, name: &str, value: f64, yardstick: Option<(f64, &str)>, aim: Aim) {
        let ratio = yardstick.map(|(yardstick, _)| value / yardstick);
        let (wanted, met) = match aim {
            Aim::None => (String::new(), None),
            Aim::AtMost(bound) => (format!("≤ {bound}"), Some(value <= bound)),
            Aim::AtLeast(bound) => (format!("≥ {bound}"), Some(value >= bound)),
            Aim::RatioAtMost(bound) => {
                (format!("≤ {bound}×"), Some(ratio.is_some_and(|ratio| ratio <= bound)))
            }
        };
        self.rows.push([
            name.to_owned(),
            number(value),
            yardstick.map(|(value, what)| format!("{} ({what})", number(value))).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default(),
            wanted,
            met.map(|met| if met { "yes" } else { "NO" }).unwrap_or_default().to_owned(),
        ]);
    }

    /// Prints the table as Markdown.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        Ok(table(out, 1, ["measure", "value", "yardstick", "ratio", "aim", "met"], &self.rows)?)
    }
}

/// Times in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Adds one.
    pub fn push(&mut self, time: std::time::Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    /// The time that this share of all is not above; not a number when there are none.
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() as f64 * share) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    pub fn p50(&self) -> f64 {
        self.at(0.5)
    }

    /// The 99th percentile.
    pub fn p99(&self) -> f64 {
        self.at(0.99)
    }
}

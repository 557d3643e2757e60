//! The table that the bench prints: what was measured, beside the relay and the aim.

use std::io::Write;

use anyhow::Result;
use smooai_smooth_operator_conformance::figures::{number, table};

/// What a measure should reach.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// Only shown.
    None,
    /// The server's value.
    AtMost(f64),
    /// The server's value over the relay's.
    RatioAtMost(f64),
    /// The server's value over the relay's.
    RatioAtLeast(f64),
    /// The server's value less the relay's.
    DifferenceAtMost(f64),
}

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    /// Adds a measure of the server alone.
    pub fn single(&mut self, name: &str, value: f64, aim: Aim) {
        self.row(name, value, None, aim);
    }

    /// Adds a measure of the server and the relay.
    pub fn compare(&mut self, name: &str, [server, relay]: [f64; 2], aim: Aim) {
        self.row(name, server, Some(relay), aim);
    }

    fn row(&mut self, name: &str, server: f64, relay: Option<f64>, aim: Aim) {
        let ratio = relay.map(|relay| server / relay);
        let difference = relay.map(|relay| server - relay);
        let reached = |value: Option<f64>, holds: fn(&f64, &f64) -> bool, bound: f64| {
            if value.is_some_and(|value| holds(&value, &bound)) { "yes" } else { "NO" }
        };
        let (wanted, met) = match aim {
            Aim::None => (String::new(), ""),
            Aim::AtMost(bound) => (format!("≤ {bound}"), reached(Some(server), f64::le, bound)),
            Aim::RatioAtMost(bound) => (format!("≤ {bound}×"), reached(ratio, f64::le, bound)),
            Aim::RatioAtLeast(bound) => (format!("≥ {bound}×"), reached(ratio, f64::ge, bound)),
            Aim::DifferenceAtMost(bound) => (format!("≤ +{bound}"), reached(difference, f64::le, bound)),
        };
        let compared = match (aim, ratio, difference) {
            (Aim::DifferenceAtMost(_), _, Some(difference)) => format!("{difference:+.3}"),
            (_, Some(ratio), _) => format!("{ratio:.2}×"),
            _ => String::new(),
        };
        let relay = relay.map(number).unwrap_or_default();
        self.rows.push([name.to_owned(), number(server), relay, compared, wanted, met.to_owned()]);
    }

    /// Prints the table as Markdown.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let heading = ["measure (medians)", "server", "relay", "compared", "aim", "met"];
        Ok(table(out, 1, heading, &self.rows)?)
    }
}

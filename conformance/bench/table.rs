//! The table that the bench prints: what was measured, beside the relay and the aim.

use std::io::Write;

use anyhow::Result;

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
        let heading = ["measure (medians)", "server", "relay", "compared", "aim", "met"].map(str::to_owned);
        let widths: [usize; 6] = std::array::from_fn(|column| {
            let cells = self.rows.iter().chain([&heading]).map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        });
        let line = |row: &[String; 6]| {
            let cells = std::array::from_fn::<String, 6, _>(|column| {
                let (cell, width) = (&row[column], widths[column]);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            format!("| {} |", cells.join(" | "))
        };
        writeln!(out, "{}", line(&heading))?;
        writeln!(out, "{}", line(&widths.map(|width| "-".repeat(width))))?;
        for row in &self.rows {
            writeln!(out, "{}", line(row))?;
        }
        Ok(())
    }
}

/// The median; not a number when there are no values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

//! The table: each language's client beside its plain read loop.

use std::io::Write;

use anyhow::Result;

use crate::program::Line;

/// How much more processor time than the plain loop a client may take.
const MOST: f64 = 1.5;

/// A row for each language.
struct Measure {
    name: &'static str,
    of: fn(&Line) -> f64,
    /// Whether the ratio has an aim.
    aimed: bool,
}

const MEASURES: &[Measure] = &[
    Measure {
        name: "turns of 20 tokens per second, 64 at a time",
        of: |l| l.turns / l.turns_seconds,
        aimed: false,
    },
    Measure {
        name: "… processor time of a turn, µs",
        of: |l| l.turns_cpu_seconds / l.turns * 1e6,
        aimed: true,
    },
    Measure {
        name: "processor time of 1,000 tokens, ms",
        of: |l| l.tokens_cpu_seconds / l.tokens * 1e6,
        aimed: true,
    },
    Measure { name: "memory of an open turn, KiB", of: |l| l.open_turn_bytes / 1024.0, aimed: false },
    Measure { name: "decoding a turn of 500 tokens, µs", of: |l| l.decode_micros, aimed: false },
];

/// Prints the medians as Markdown.
///
/// # Errors
/// When the output is closed.
pub fn print(measured: &[(&str, [Vec<Line>; 2])], out: &mut impl Write) -> Result<()> {
    let heading =
        ["measure (medians)", "language", "client", "plain", "ratio", "aim", "met"].map(str::to_owned);
    let rows = MEASURES
        .iter()
        .flat_map(|measure| measured.iter().map(move |(name, lines)| row(measure, name, lines)));
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(rows).collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    for (number, row) in rows.iter().enumerate() {
        let cells = std::array::from_fn::<String, 7, _>(|column| {
            let (cell, width) = (&row[column], widths[column]);
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "| {} |", cells.join(" | "))?;
        if number == 0 {
            writeln!(out, "| {} |", widths.map(|width| "-".repeat(width)).join(" | "))?;
        }
    }
    Ok(())
}

fn row(measure: &Measure, language: &str, lines: &[Vec<Line>; 2]) -> [String; 7] {
    let [client, plain] = lines.each_ref().map(|lines| median(lines.iter().map(measure.of).collect()));
    let ratio = client / plain;
    let (aim, met) = match (measure.aimed, ratio <= MOST) {
        (false, _) => (String::new(), ""),
        (true, true) => (format!("≤ {MOST}×"), "yes"),
        (true, false) => (format!("≤ {MOST}×"), "NO"),
    };
    let ratio = format!("{ratio:.2}×");
    [measure.name.to_owned(), language.to_owned(), number(client), number(plain), ratio, aim, met.to_owned()]
}

/// The median; not a number when there are no values.
fn median(mut values: Vec<f64>) -> f64 {
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
        _ => format!("{value:.2}"),
    }
}

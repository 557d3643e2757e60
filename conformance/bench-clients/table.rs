//! The table: each language's client beside its plain read loop.

use std::io::Write;

use anyhow::Result;
use smooai_smooth_operator_conformance::figures::{median, number, table};

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
    let heading = ["measure (medians)", "language", "client", "plain", "ratio", "aim", "met"];
    let rows: Vec<[String; 7]> = MEASURES
        .iter()
        .flat_map(|measure| measured.iter().map(move |(name, lines)| row(measure, name, lines)))
        .collect();
    Ok(table(out, 2, heading, &rows)?)
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

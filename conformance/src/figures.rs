//! What the benches share: medians, numbers of three places, and tables in Markdown.

use std::io::{self, Write};

/// Prints rows below a heading as Markdown, in columns of even width. The first `words` columns are set to
/// the left, the others to the right.
///
/// # Errors
/// When the output is closed.
pub fn table<const N: usize>(
    out: &mut impl Write,
    words: usize,
    heading: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let heading = heading.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&heading]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    let line = |row: &[String; N]| {
        let cells = std::array::from_fn::<String, N, _>(|column| {
            let (cell, width) = (&row[column], widths[column]);
            if column < words { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |", cells.join(" | "))
    };
    writeln!(out, "{}", line(&heading))?;
    writeln!(out, "{}", line(&widths.map(|width| "-".repeat(width))))?;
    rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
}

/// The median; not a number when there are no values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// A number with as many places as it takes to tell it from its like.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["a turn".to_owned(), number(12.345)], ["µs".to_owned(), number(0.5)]];
        table(&mut out, 1, ["measure", "ms"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "| measure |    ms |\n| ------- | ----- |\n| a turn  |  12.3 |\n| µs      | 0.500 |\n"
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0, 10.0]), 2.5);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}

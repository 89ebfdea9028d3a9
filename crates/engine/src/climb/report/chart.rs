//! Bar charts as SVG: one bar for each rung, read by eye and by a screen reader.

use std::fmt::Write;

use super::super::Record;
use super::Quantity;
use super::html::escape;

/// Height of one bar with its gap, in the units of the drawing.
const ROW: usize = 22;
/// Where the bars begin, after the names.
const LEFT: f64 = 150.0;
/// The longest bar.
const WIDTH: f64 = 420.0;
/// The drawing's width: room for the number behind the longest bar.
const TOTAL: f64 = 680.0;

/// The chart, or nothing where no rung has such a number.
pub(super) fn chart(records: &[Record], quantity: &Quantity) -> String {
    let values: Vec<_> = records.iter().map(|record| (quantity.of)(record)).collect();
    let most = values.iter().flatten().map(|(number, _)| *number).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let height = records.len() * ROW + 4;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {TOTAL} {height}\" role=\"img\" aria-label=\"{}, by rung\">\n",
        escape(quantity.title)
    );
    for (index, (record, value)) in records.iter().zip(&values).enumerate() {
        let middle = index * ROW + ROW / 2 + 5;
        let name = escape(&record.rung);
        let _ = writeln!(svg, "<text class=\"name\" x=\"{}\" y=\"{middle}\">{name}</text>", LEFT - 8.0);
        let Some((number, shown)) = value else { continue };
        let length = (number / most * WIDTH).max(1.0);
        let top = index * ROW + 3;
        let bar = ROW - 6;
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{bar}\"><title>{name}: {0}</title></rect>\
             <text x=\"{1:.1}\" y=\"{middle}\">{0}</text>",
            escape(shown),
            LEFT + length + 6.0
        );
    }
    svg + "</svg>\n"
}

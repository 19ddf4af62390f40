//! The table as a picture: one small chart per cell, one bar per routing.
//!
//! A bar is the median, the thin line over it reaches from the slowest lap to the fastest. All
//! bars of one chart share a scale that begins at 0; each chart has its own.

use std::fmt::Write;

use crate::routings::row::Figures;
use crate::routings::table::Table;

/// A bar of a chart.
struct Bar {
    value: f64,
    /// Slowest and fastest lap, where there were several.
    range: Option<(f64, f64)>,
}

struct Chart {
    title: String,
    unit: &'static str,
    bars: Vec<Option<Bar>>,
}

const COLUMNS: usize = 3;
const CHART_WIDTH: f64 = 400.0;
const LABEL_WIDTH: f64 = 120.0;
const BAR_HEIGHT: f64 = 15.0;
const BAR_STEP: f64 = 20.0;
const MARGIN: f64 = 24.0;
const TOP: f64 = 74.0;
/// Room right of the longest bar, for its number.
const NUMBER_WIDTH: f64 = 46.0;

/// One colour for each routing, distinguishable by the colour-blind (Okabe and Ito).
const COLOURS: [(&str, &str); 5] = [
    ("direct", "#0072b2"),
    ("registry", "#d55e00"),
    ("exclude", "#cc79a7"),
    ("uniform", "#009e73"),
    ("hybrid", "#e69f00"),
];

/// Draws the table as SVG.
pub fn svg(table: &Table) -> String {
    let charts = charts(table);
    let names: Vec<String> = table.rows.iter().map(Figures::name).collect();
    let chart_height = 30.0 + BAR_STEP * names.len() as f64 + 22.0;
    let (columns, lines) = (COLUMNS as f64, charts.len().div_ceil(COLUMNS) as f64);
    let width = MARGIN + columns * (CHART_WIDTH + MARGIN);
    let height = TOP + lines * chart_height;
    let mut out = String::new();
    let mut draw = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    draw(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" \
         font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"11\">"
    ));
    draw(format!(r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##));
    draw(text(
        MARGIN,
        30.0,
        "hakmem: what each routing costs",
        r#"font-size="17" font-weight="bold""#,
    ));
    let remark = format!(
        "bar: median of {} rounds; line: slowest to fastest lap; check {}; \
         each chart has its own scale",
        table.rounds, table.check
    );
    draw(text(MARGIN, 50.0, &remark, r##"fill="#555555""##));
    for (index, chart) in charts.iter().enumerate() {
        let (column, line) = ((index % COLUMNS) as f64, (index / COLUMNS) as f64);
        let x = MARGIN + column * (CHART_WIDTH + MARGIN);
        draw(self::chart(chart, table, &names, x, TOP + line * chart_height));
    }
    draw("</svg>".to_owned());
    out
}

fn charts(table: &Table) -> Vec<Chart> {
    let cells = table.rows.first().map_or(0, |row| row.throughput.len());
    let throughput = |cell: usize| Chart {
        title: table.rows[0].throughput[cell].cell.clone(),
        unit: "M ops/s",
        bars: table.rows.iter().map(|row| Some(throughput_bar(row, cell))).collect(),
    };
    let mut charts: Vec<Chart> = (0..cells).map(throughput).collect();
    let bar = |value: f64| Bar { value, range: None };
    charts.push(Chart {
        title: "a pair of 1024 B".into(),
        unit: "instructions",
        bars: table.rows.iter().map(|row| row.instructions_1024.map(bar)).collect(),
    });
    charts
}

fn throughput_bar(row: &Figures, cell: usize) -> Bar {
    let figure = &row.throughput[cell];
    Bar {
        value: figure.million_operations_per_second,
        range: Some((
            figure.million_operations_per_second_min,
            figure.million_operations_per_second_max,
        )),
    }
}

fn chart(chart: &Chart, table: &Table, names: &[String], x: f64, y: f64) -> String {
    let mut out = String::new();
    let highest = chart.bars.iter().flatten().map(Bar::highest).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (CHART_WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / highest;
    let title = format!("{}, {}", chart.title, chart.unit);
    let _ = writeln!(out, "{}", text(x, y + 16.0, &title, r#"font-size="13" font-weight="bold""#));
    let left = x + LABEL_WIDTH;
    for (index, (bar, name)) in chart.bars.iter().zip(names).enumerate() {
        let top = y + 26.0 + BAR_STEP * index as f64;
        let base = top + BAR_HEIGHT - 4.0;
        let _ = writeln!(out, "{}", text(left - 6.0, base, name, r#"text-anchor="end""#));
        let Some(bar) = bar else {
            let _ =
                writeln!(out, "{}", text(left + 4.0, base, "not counted", r##"fill="#777777""##));
            continue;
        };
        let row = &table.rows[index];
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" \
             fill=\"{}\" fill-opacity=\"{}\"/>",
            bar.value * scale,
            colour(row.routing),
            // The two forms of one routing share its colour.
            if row.push == Some("direct") { "0.6" } else { "1" },
        );
        if let Some((low, high)) = bar.range.filter(|(low, high)| low < high) {
            let middle = top + BAR_HEIGHT / 2.0;
            let (from, to) = (left + low * scale, left + high * scale);
            let _ = writeln!(
                out,
                "<path d=\"M{from:.1} {middle:.1}H{to:.1}\" stroke=\"#222222\" \
                 stroke-width=\"1.2\"/>"
            );
        }
        let number =
            text(left + bar.highest() * scale + 5.0, base, &format!("{:.1}", bar.value), "");
        let _ = writeln!(out, "{number}");
    }
    out
}

impl Bar {
    fn highest(&self) -> f64 {
        self.range.map_or(self.value, |(_, high)| high.max(self.value))
    }
}

fn colour(routing: &str) -> &'static str {
    COLOURS.iter().find(|(name, _)| *name == routing).map_or("#777777", |(_, colour)| colour)
}

fn text(x: f64, y: f64, words: &str, attributes: &str) -> String {
    let space = if attributes.is_empty() { "" } else { " " };
    format!(r#"<text x="{x:.1}" y="{y:.1}"{space}{attributes}>{}</text>"#, escape(words))
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routings::table::tests::table;

    #[test]
    fn every_row_has_a_bar_in_every_chart() {
        let mut table = table();
        table.rows[2].instructions_1024 = None;
        let svg = svg(&table);
        // Nine rows in eight charts of throughput and one of instructions, and the background.
        assert_eq!(svg.matches("<rect").count(), 9 * 9 - 1 + 1);
        assert_eq!(svg.matches("not counted").count(), 1);
        for words in ["registry, boxed", "mixed ws 8192, M ops/s", ">350.0<"] {
            assert!(svg.contains(words), "{words} is missing");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
    }

    #[test]
    fn a_table_without_rows_is_a_picture_too() {
        let mut table = table();
        table.rows.clear();
        assert!(svg(&table).ends_with("</svg>\n"));
    }
}

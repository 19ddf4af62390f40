//! The table as a picture: one small chart per cell, one bar per routing.

use hakmem_reader::{Push, Routing};

use crate::bar_charts::{Chart, ChartBar, GREY, Series, Sheet};
use crate::routings::row::Figures;
use crate::routings::table::RoutingTable;

/// One colour for each routing, distinguishable by the colour-blind (Okabe and Ito).
const COLOURS: [(Routing, &str); 5] = [
    (Routing::Direct, "#0072b2"),
    (Routing::Registry, "#d55e00"),
    (Routing::Exclude, "#cc79a7"),
    (Routing::Uniform, "#009e73"),
    (Routing::Hybrid, "#e69f00"),
];

/// Draws the table as SVG.
pub fn svg(table: &RoutingTable) -> String {
    let remark = format!(
        "bar: median of {} rounds; line: slowest to fastest lap; check {}; \
         each chart has its own scale",
        table.rounds, table.check
    );
    Sheet {
        title: "hakmem: what each routing costs".to_owned(),
        remark,
        series: table.rows.iter().map(series).collect(),
        missing: "not counted",
        charts: charts(table),
        notes: Vec::new(),
    }
    .svg()
}

fn series(row: &Figures) -> Series {
    Series {
        name: row.name(),
        colour: colour(row.routing),
        // The two forms of one routing share its colour.
        faded: row.push == Some(Push::Direct.name()),
    }
}

fn charts(table: &RoutingTable) -> Vec<Chart> {
    let cells = table.rows.first().map_or(0, |row| row.throughput.len());
    let throughput = |cell: usize| Chart {
        title: format!("{}, M ops/s", table.rows[0].throughput[cell].cell),
        bars: table.rows.iter().map(|row| Some(throughput_bar(row, cell))).collect(),
    };
    let mut charts: Vec<Chart> = (0..cells).map(throughput).collect();
    let bar = |value: f64| ChartBar { value, range: None };
    charts.push(Chart {
        title: "a pair of 1024 B, instructions".to_owned(),
        bars: table.rows.iter().map(|row| row.instructions_1024.map(bar)).collect(),
    });
    charts
}

fn throughput_bar(row: &Figures, cell: usize) -> ChartBar {
    let figure = &row.throughput[cell];
    ChartBar {
        value: figure.million_operations_per_second,
        range: Some((
            figure.million_operations_per_second_min,
            figure.million_operations_per_second_max,
        )),
    }
}

fn colour(routing: &str) -> &'static str {
    COLOURS.iter().find(|(it, _)| it.name() == routing).map_or(GREY, |(_, colour)| colour)
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
    fn a_table_without_rows_is_a_picture_too() {
        let mut table = table();
        table.rows.clear();
        assert!(svg(&table).ends_with("</svg>\n"));
    }
}

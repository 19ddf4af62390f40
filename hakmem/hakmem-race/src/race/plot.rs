//! The standings as a picture: two small charts per cell, throughput and peak resident memory, with
//! one bar per allocator; and a third chart if the load reports live memory.

use crate::bar_charts::{Chart, ChartBar, GREY, Series, Sheet};
use crate::race::bar::{Summary, Verdict};
use crate::race::standing::{Figure, Standing};
use crate::race::standings::Standings;

/// One colour for each allocator, distinguishable by the colour-blind (Okabe and Ito); the C
/// library is grey.
const COLOURS: [(&str, &str); 7] = [
    ("hakmem", "#0072b2"),
    ("jemalloc", "#d55e00"),
    ("mimalloc", "#e69f00"),
    ("mimalloc3", "#e69f00"),
    ("tcmalloc", "#009e73"),
    ("rpmalloc", "#cc79a7"),
    ("snmalloc", "#56b4e9"),
];

/// Draws the standings as SVG.
pub fn svg(standings: &Standings) -> String {
    let first = standings.rows.first().map_or(&[][..], |row| &row.figures);
    let present = first.iter().map(|figure| figure.allocator.as_str());
    let absent = standings.absent.iter().map(|absent| absent.allocator.as_str());
    let absent_count = standings.absent.len();
    let throughput = standings.rows.iter().map(|row| throughput_chart(row, absent_count));
    let memory = standings.rows.iter().map(|row| memory_chart(row, absent_count));
    let held = standings.rows.iter().filter_map(|row| held_chart(row, absent_count));
    let summaries = standings.summaries.iter().map(Summary::to_string);
    let verdicts = standings.verdicts.iter().map(Verdict::to_string);
    Sheet {
        title: "hakmem and its peers".to_owned(),
        remark: "bar: median of the rounds; line: slowest to fastest lap, or from what is \
                 resident at the end; longer is faster in M ops/s, shorter is better in MiB; \
                 scales differ"
            .to_owned(),
        series: present.chain(absent).map(series).collect(),
        missing: "does not race",
        charts: throughput.chain(memory).chain(held).collect(),
        notes: [standings.circumstances.to_string()]
            .into_iter()
            .chain(summaries)
            .chain(verdicts)
            .collect(),
    }
    .svg()
}

fn series(name: &str) -> Series {
    let colour = COLOURS.iter().find(|(known, _)| *known == name);
    Series {
        name: name.to_owned(),
        colour: colour.map_or(GREY, |(_, colour)| colour),
        // The two versions of mimalloc share its colour.
        faded: name == "mimalloc",
    }
}

fn throughput_chart(row: &Standing, absent: usize) -> Chart {
    let bar = |figure: &Figure| ChartBar {
        value: figure.million_operations_per_second,
        range: Some((
            figure.million_operations_per_second_min,
            figure.million_operations_per_second_max,
        )),
    };
    let Standing { cell, ratio, best_peer, .. } = row;
    chart(format!("{cell}, M ops/s: {ratio:.2} × {best_peer}"), row, absent, bar)
}

fn memory_chart(row: &Standing, absent: usize) -> Chart {
    let bar = |figure: &Figure| {
        let (peak, last) = (figure.peak_resident_kib / 1024.0, figure.final_resident_kib / 1024.0);
        ChartBar { value: peak, range: Some((last, peak)) }
    };
    let Standing { cell, peak_resident_ratio, .. } = row;
    let title = format!("{cell}, peak MiB: {peak_resident_ratio:.2} × median");
    chart(title, row, absent, bar)
}

/// Resident memory divided by live memory, at the last moment that the load reports.
fn held_chart(row: &Standing, absent: usize) -> Option<Chart> {
    let last = |figure: &Figure| figure.holdings.last().filter(|one| one.live_kib > 0).cloned();
    let moment = last(row.figures.first()?)?.moment;
    let bar = |figure: &Figure| ChartBar {
        value: last(figure).map_or(0.0, |holding| holding.ratio()),
        range: None,
    };
    Some(chart(format!("{}: resident / live {moment}", row.cell), row, absent, bar))
}

fn chart(title: String, row: &Standing, absent: usize, bar: impl Fn(&Figure) -> ChartBar) -> Chart {
    let present = row.figures.iter().map(|figure| Some(bar(figure)));
    Chart { title, bars: present.chain(std::iter::repeat_n(None, absent)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::standings::tests::standings;
    use hakmem_bench::report::Holding;

    #[test]
    fn every_contender_has_a_bar_and_every_absent_one_a_word() {
        let svg = svg(&standings(&[[110.0, 100.0, 50.0], [112.0, 100.0, 51.0]]));
        // Three contenders in two charts, and the background.
        assert_eq!(svg.matches("<rect").count(), 3 * 2 + 1);
        assert_eq!(svg.matches("does not race").count(), 2);
        for words in
            ["fixed 128 B, M ops/s: 1.11 × jemalloc", ">111.0<", "peak MiB: 1.00 × median<"]
        {
            assert!(svg.contains(words), "{words} is missing");
        }
        for words in ["seven: won 1 of 1; throughput 1.110", "at least 1.05: holds, 1.110 in"] {
            assert!(svg.contains(words), "{words} is missing: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn what_was_live_has_a_chart_of_its_own() {
        let mut standings = standings(&[[1.0, 1.0, 1.0]]);
        for figure in &mut standings.rows[0].figures {
            let (moment, live_kib) = ("2 s later".to_owned(), 100);
            figure.holdings.push(Holding { moment, resident_kib: 130, live_kib });
        }
        let svg = svg(&standings);
        assert!(svg.contains("fixed 128 B: resident / live 2 s later<"), "{svg}");
        assert_eq!(svg.matches(">1.3<").count(), 3, "{svg}");
    }

    #[test]
    fn standings_without_rows_are_a_picture_too() {
        let mut standings = standings(&[[1.0, 1.0, 1.0]]);
        standings.rows.clear();
        assert!(svg(&standings).ends_with("</svg>\n"));
    }
}

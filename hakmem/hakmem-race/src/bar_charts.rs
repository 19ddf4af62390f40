//! Figures as a picture: one small chart per load, one bar per allocator or routing.
//!
//! A bar is the median; the thin line over it reaches from the slowest lap to the fastest. All bars
//! of one chart share a scale that begins at 0; each chart has its own scale.

use std::fmt::{self, Display, Formatter};

/// A page of charts that share their bars' names.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Headline.
    pub title: String,
    /// One line that says what the bars show.
    pub remark: String,
    /// One for each bar of a chart.
    pub series: Vec<Series>,
    /// Text in place of a missing bar.
    pub missing: &'static str,
    /// The charts, in rows of three; each has as many bars as there are series.
    pub charts: Vec<Chart>,
    /// Lines of text below the charts.
    pub notes: Vec<String>,
}

/// A bar's name and looks, in every chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name beside the bar.
    pub name: String,
    /// Fill, as SVG names it.
    pub colour: &'static str,
    /// Whether the series is a variation of another one with the same colour.
    pub faded: bool,
}

/// One chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What is shown, and the unit.
    pub title: String,
    /// One for each series.
    pub bars: Vec<Option<ChartBar>>,
}

/// One bar of a chart.
#[derive(Clone, Copy, Debug)]
pub struct ChartBar {
    /// Its length.
    pub value: f64,
    /// Slowest and fastest lap, if there were several.
    pub range: Option<(f64, f64)>,
}

/// Fill of a series without a colour of its own.
pub const GREY: &str = "#777777";

const COLUMNS: usize = 3;
const CHART_WIDTH: f64 = 400.0;
const LABEL_WIDTH: f64 = 120.0;
const BAR_HEIGHT: f64 = 15.0;
const BAR_STEP: f64 = 20.0;
const NOTE_STEP: f64 = 17.0;
/// A letter is hardly ever wider than seven units.
const NOTE_LETTERS: usize = 180;
const MARGIN: f64 = 24.0;
const TOP: f64 = 74.0;
/// Room right of the longest bar, for its number.
const NUMBER_WIDTH: f64 = 46.0;

impl Sheet {
    /// Draws the sheet as SVG.
    pub fn svg(&self) -> String {
        self.to_string()
    }

    fn chart(&self, out: &mut Formatter<'_>, chart: &Chart, x: f64, y: f64) -> fmt::Result {
        // EPSILON keeps the scale finite when every bar has length 0.
        let highest =
            chart.bars.iter().flatten().map(ChartBar::highest).fold(f64::EPSILON, f64::max);
        let scale = (CHART_WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / highest;
        let heading = r#"font-size="12" font-weight="bold""#;
        writeln!(out, "{}", text(x, y + 16.0, &chart.title, heading))?;
        let left = x + LABEL_WIDTH;
        for (index, (bar, series)) in chart.bars.iter().zip(&self.series).enumerate() {
            let top = y + 26.0 + BAR_STEP * index as f64;
            let base = top + BAR_HEIGHT - 4.0;
            writeln!(out, "{}", text(left - 6.0, base, &series.name, r#"text-anchor="end""#))?;
            match bar {
                Some(bar) => bar.draw(out, series, scale, left, top)?,
                None => {
                    let grey = r##"fill="#777777""##;
                    writeln!(out, "{}", text(left + 4.0, base, self.missing, grey))?;
                }
            }
        }
        Ok(())
    }
}

impl Display for Sheet {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let chart_height = 30.0 + BAR_STEP * self.series.len() as f64 + 22.0;
        let (columns, lines) = (COLUMNS as f64, self.charts.len().div_ceil(COLUMNS) as f64);
        let width = MARGIN + columns * (CHART_WIDTH + MARGIN);
        let foot = TOP + lines * chart_height;
        let notes: Vec<String> = self.notes.iter().flat_map(|note| wrapped(note)).collect();
        let height = foot + NOTE_STEP * notes.len() as f64;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"11\">"
        )?;
        writeln!(out, r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##)?;
        let headline = r#"font-size="17" font-weight="bold""#;
        writeln!(out, "{}", text(MARGIN, 30.0, &self.title, headline))?;
        writeln!(out, "{}", text(MARGIN, 50.0, &self.remark, r##"fill="#555555""##))?;
        for (index, chart) in self.charts.iter().enumerate() {
            let (column, line) = ((index % COLUMNS) as f64, (index / COLUMNS) as f64);
            let x = MARGIN + column * (CHART_WIDTH + MARGIN);
            self.chart(out, chart, x, TOP + line * chart_height)?;
        }
        for (index, note) in notes.iter().enumerate() {
            writeln!(out, "{}", text(MARGIN, foot + NOTE_STEP * index as f64, note, ""))?;
        }
        writeln!(out, "</svg>")
    }
}

impl ChartBar {
    fn highest(&self) -> f64 {
        self.range.map_or(self.value, |(_, high)| high.max(self.value))
    }

    fn draw(
        &self,
        out: &mut Formatter<'_>,
        series: &Series,
        scale: f64,
        left: f64,
        top: f64,
    ) -> fmt::Result {
        writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" \
             fill=\"{}\" fill-opacity=\"{}\"/>",
            self.value * scale,
            series.colour,
            if series.faded { "0.6" } else { "1" },
        )?;
        if let Some((low, high)) = self.range.filter(|(low, high)| low < high) {
            let middle = top + BAR_HEIGHT / 2.0;
            let (from, to) = (left + low * scale, left + high * scale);
            writeln!(
                out,
                "<path d=\"M{from:.1} {middle:.1}H{to:.1}\" stroke=\"#222222\" \
                 stroke-width=\"1.2\"/>"
            )?;
        }
        let (x, base) = (left + self.highest() * scale + 5.0, top + BAR_HEIGHT - 4.0);
        writeln!(out, "{}", text(x, base, &format!("{:.1}", self.value), ""))
    }
}

fn text(x: f64, y: f64, words: &str, attributes: &str) -> String {
    let space = if attributes.is_empty() { "" } else { " " };
    format!(r#"<text x="{x:.1}" y="{y:.1}"{space}{attributes}>{}</text>"#, escape(words))
}

/// Breaks `note` into lines that fit on the sheet; lines after the first are indented.
fn wrapped(note: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in note.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < NOTE_LETTERS => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("\u{2003}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
    }

    #[test]
    fn a_long_note_has_several_lines_and_loses_no_word() {
        let note = "some words; ".repeat(60);
        let lines = wrapped(&note);
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|line| line.chars().count() <= NOTE_LETTERS + 1), "{lines:?}");
        assert_eq!(lines.join(" ").replace('\u{2003}', ""), note);
    }

    #[test]
    fn a_bar_of_nothing_is_drawn_too() {
        let sheet = Sheet {
            title: "a".to_owned(),
            remark: "b".to_owned(),
            series: vec![Series { name: "c".to_owned(), colour: GREY, faded: false }],
            missing: "none",
            charts: vec![Chart {
                title: "d".to_owned(),
                bars: vec![Some(ChartBar { value: 0.0, range: Some((0.0, 0.0)) })],
            }],
            notes: vec!["e < f".to_owned()],
        };
        let svg = sheet.svg();
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains(">e &lt; f</text>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<path"), "{svg}");
    }
}

//! Two sides compared, as people and scripts read it: text, a page, a document, an exit code.
//!
//! What is told comes from [`hakmem_diagnosis`]; only the course over time that the page draws is
//! read from the samples themselves.

mod page;
mod text;
mod trend;
mod words;

use hakmem_diagnosis::{Diagnosis, Side, Verdict};

pub use text::TextStyle;
pub use trend::{Course, Trend};

/// Two sides compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The answer.
    pub diagnosis: Diagnosis,
    /// How slow shares went over time, those of strata that changed most first.
    pub trends: Vec<Trend>,
    /// What the sides consist of.
    pub units: Units,
}

/// What a side consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Units {
    /// Processes.
    #[default]
    Processes,
    /// Runs of a program, each of one process or several.
    Runs,
}

impl Comparison {
    /// Joins an answer with the samples that it was found in.
    pub fn new(diagnosis: Diagnosis, before: &Side, after: &Side) -> Self {
        let trends = trend::trends(&diagnosis.strata, before, after);
        Self { diagnosis, trends, units: Units::Processes }
    }

    /// The same, of sides that consist of such units.
    pub fn of(self, units: Units) -> Self {
        Self { units, ..self }
    }

    /// For people at a terminal.
    pub fn text(&self, style: TextStyle) -> String {
        text::write(self, style)
    }

    /// The verdict and what was looked at, where the rest is of no interest.
    pub fn summary(&self, style: TextStyle) -> String {
        text::write_summary(self, style)
    }

    /// For people with a browser, or paper: one file that needs nothing else.
    pub fn page(&self) -> String {
        page::write(self)
    }

    /// For scripts.
    pub fn document(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.diagnosis)
            .expect("a diagnosis has no keys that JSON cannot have");
        text.push('\n');
        text
    }

    /// For whoever waits for the command: 0 unchanged or better, 1 regressed, 2 not enough data.
    pub fn exit_code(&self) -> u8 {
        match self.diagnosis.verdict {
            Verdict::Improved | Verdict::Unchanged => 0,
            Verdict::Regressed => 1,
            Verdict::NotEnoughData => 2,
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

//! A comparison of two sides in its forms for people and scripts: text, page, document and exit
//! code.
//!
//! The answer comes from [`hakmem_diagnosis`]; only the course over time that the page draws is
//! computed here, from the samples.

mod courses;
mod page;
mod text;

mod words;

use hakmem_diagnosis::{Diagnosis, Side, Verdict};

pub use courses::{ClassCourses, Course};
pub use text::TextStyle;

/// A comparison of two sides.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The answer.
    pub diagnosis: Diagnosis,
    /// How the slow shares changed over time; the strata that changed most come first.
    pub courses: Vec<ClassCourses>,
    /// The units of which the sides consist.
    pub units: Units,
}

/// The units of which a side consists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Units {
    /// Processes.
    #[default]
    Processes,
    /// Runs of a program, each of one process or several.
    Runs,
}

impl Comparison {
    /// Joins `diagnosis` with the samples of both sides.
    pub fn new(diagnosis: Diagnosis, before: &Side, after: &Side) -> Self {
        let courses = courses::of_strata(&diagnosis.strata, before, after);
        Self { diagnosis, courses, units: Units::Processes }
    }

    /// Sets the units of which the sides consist.
    pub fn of(self, units: Units) -> Self {
        Self { units, ..self }
    }

    /// For people at a terminal.
    pub fn text(&self, style: TextStyle) -> String {
        text::write(self, style)
    }

    /// The verdict and what was compared, for an answer whose details are of no interest.
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

    /// The verdict as an exit code: 0 unchanged or better, 1 regressed, 2 not enough data.
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

//! A routing, with the form of its push if it has two.

use std::fmt;

use hakmem_reader::{Check, OnError, Push, Routing, Telemetry};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// How `free` finds a block's class.
    pub routing: Routing,
    /// How blocks get onto lists; `None` if the routing has one form only.
    pub push: Option<Push>,
}

/// Every routing that is safe to run, in the order of the table.
pub const SAFE_ROUTINGS: [Routing; 5] =
    [Routing::Direct, Routing::Registry, Routing::Exclude, Routing::Uniform, Routing::Hybrid];

impl Variant {
    /// The settings that select the variant. All of them are set, so that the environment cannot
    /// interfere.
    pub fn environment(self, check: Check) -> Vec<(&'static str, &'static str)> {
        vec![
            ("HAKMEM_ROUTING", self.routing.name()),
            ("HAKMEM_PUSH", self.push.unwrap_or(Push::Boxed).name()),
            ("HAKMEM_CHECK", check.name()),
            ("HAKMEM_ON_ERROR", OnError::Report.name()),
            ("HAKMEM_TELEMETRY", Telemetry::On.name()),
        ]
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.push {
            Some(push) => out.pad(&format!("{}, {}", self.routing.name(), push.name())),
            None => out.pad(self.routing.name()),
        }
    }
}

/// Parses the name of a safe routing; `e3` corrupts memory, so its figures would mean nothing.
pub fn parse_routing(name: &str) -> Result<Routing, String> {
    let found = SAFE_ROUTINGS.into_iter().find(|routing| routing.name() == name);
    found.ok_or_else(|| {
        let names = SAFE_ROUTINGS.map(Routing::name).join(", ");
        match Routing::from_name(name) {
            Some(Routing::E3) => {
                format!("it corrupts memory, so its figures mean nothing; give some of {names}")
            }
            _ => format!("give some of {names}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routings::variants;

    #[test]
    fn headed_routings_have_two_forms() {
        let names: Vec<String> = variants(&SAFE_ROUTINGS).iter().map(Variant::to_string).collect();
        assert_eq!(names[0], "direct");
        assert_eq!(names[1..3], ["registry, boxed", "registry, direct"]);
        assert_eq!(names.len(), 9);
    }

    #[test]
    fn e3_is_refused_with_its_reason() {
        assert!(parse_routing("e3").unwrap_err().contains("corrupts memory"));
        assert!(parse_routing("fast").unwrap_err().starts_with("give some of direct, "));
        assert_eq!(parse_routing("uniform"), Ok(Routing::Uniform));
    }
}

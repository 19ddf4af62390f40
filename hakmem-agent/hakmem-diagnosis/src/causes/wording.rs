//! Sentences about changes.

use super::{Causes, Item, calls};
use crate::layout::is_slow_path;
use crate::statistics::per;

impl Causes<'_> {
    /// "C7 frees went from 99.3 % fast to 0 %: 0.998 more per free take `routed`". If the share of
    /// slow frees hardly changed, the sentence also names the reason that the frees took before.
    pub(super) fn sentence(&self, shown: Item) -> String {
        let evidence = self.evidence;
        let stratum = shown.stratum;
        let fast = [0, 1].map(|side| {
            let sums = evidence.sums(side);
            let slow = sums.slow_where(stratum, is_slow_path);
            1.0 - per(slow, sums.operations(stratum)).min(1.0)
        });
        let change = evidence.part(evidence.at.share(stratum).start + shown.reason);
        let is_swap = (fast[1] - fast[0]).abs() < change.abs() / 2.0;
        let instead = if is_swap { self.instead(shown, change) } else { String::new() };
        let (amount, more) = (number(change.abs()), if change < 0.0 { "fewer" } else { "more" });
        // The share of fast calls rose and yet this reason became more frequent: the sentence says
        // both, and marks the contrast.
        let link = if fast[1] > fast[0] && change > 0.0 { ", but" } else { ":" };
        format!(
            "{class} {calls} went from {before} fast to {after}{link} {amount} {more} per {call} \
             take `{reason}`{instead}",
            class = evidence.layout.classes[stratum.class],
            calls = calls(stratum.direction),
            before = percent(fast[0]),
            after = percent(fast[1]),
            call = calls(stratum.direction).trim_end_matches('s'),
            reason = evidence.reason(stratum, shown.reason),
        )
    }

    /// The reason in the stratum that became rarer while the shown one became more frequent, or the
    /// other way round.
    fn instead(&self, shown: Item, change: f64) -> String {
        let evidence = self.evidence;
        let shares = evidence.at.share(shown.stratum).map(|place| evidence.part(place));
        let against = shares.map(|share| -share * change.signum()).enumerate();
        let most = against.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share > 0.0);
        most.map_or_else(String::new, |(reason, _)| {
            format!(" instead of `{}`", evidence.reason(shown.stratum, reason))
        })
    }
}

/// A share as a percentage, with enough decimals to tell it from 0 and from 100.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let from_end = value.abs().min((100.0 - value).abs());
    let decimals = match from_end {
        x if x < 1e-9 => 0,
        x if x < 0.1 => 3,
        x if x < 1.0 => 2,
        x if x < 10.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} %")
}

/// A number with three significant digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        x if x >= 100.0 => format!("{value:.0}"),
        x if x >= 10.0 => format!("{value:.1}"),
        x if x >= 1.0 => format!("{value:.2}"),
        x if x >= 0.1 => format!("{value:.3}"),
        x if x >= 0.01 => format!("{value:.4}"),
        x if x >= 0.001 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}

/// Bytes with a binary unit.
pub(crate) fn bytes(value: f64) -> String {
    let mut scaled = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if scaled.abs() < 1024.0 {
            return format!("{} {unit}", number(scaled));
        }
        scaled /= 1024.0;
    }
    format!("{} TiB", number(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let percents = [0.0, 1.0, 0.993, 0.99997, 0.5, 0.0123].map(percent);
        assert_eq!(percents, ["0 %", "100 %", "99.30 %", "99.997 %", "50 %", "1.2 %"]);
        let numbers = [0.0, 0.998, 1234.5, 0.00012, 12.34].map(number);
        assert_eq!(numbers, ["0", "0.998", "1234", "1.20e-4", "12.3"]);
        assert_eq!(bytes(3.5 * 1024.0 * 1024.0), "3.50 MiB");
    }

    #[test]
    fn every_size_of_number_has_three_digits() {
        let powers = [100.0, 10.0, 1.0, 0.1, 0.01, 0.001].map(number);
        assert_eq!(powers, ["100", "10.0", "1.00", "0.100", "0.0100", "0.00100"]);
        let negative = [-99.94, -0.25, -1e-6].map(number);
        assert_eq!(negative, ["-99.9", "-0.250", "-1.00e-6"]);
        let small = [0.0005, 0.005, 0.05, 0.25].map(percent);
        assert_eq!(small, ["0.050 %", "0.50 %", "5.0 %", "25 %"]);
        let large = [0.9995, 0.995, 0.95, 0.75].map(percent);
        assert_eq!(large, ["99.950 %", "99.50 %", "95.0 %", "75 %"]);
        let units = [1023.0, 1024.0, 1_048_576.0, -3.0 * 1_073_741_824.0, 1e13].map(bytes);
        assert_eq!(units, ["1023 B", "1.00 KiB", "1.00 MiB", "-3.00 GiB", "9.09 TiB"]);
    }
}

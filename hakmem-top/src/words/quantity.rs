//! Numbers for people: three significant digits, a unit, and no more precision than the data has.

/// A count: `0`, `999`, `1.23k`, `45.6M`, `7.89G`, `1.20T`.
pub fn count(value: u64) -> String {
    if value < 1000 { value.to_string() } else { scaled(value as f64, 1000.0, &SI) }
}

/// A signed count, formatted like [`count`].
pub fn signed_count(value: i64) -> String {
    let text = count(value.unsigned_abs());
    if value < 0 { format!("-{text}") } else { text }
}

/// A rate per second: `0`, `0.42`, `12.3`, `123`, `1.23k`; below 0.005 it is `0`.
pub fn rate(per_second: f64) -> String {
    if per_second < 0.005 {
        return "0".into();
    }
    scaled(per_second, 1000.0, &SI)
}

/// Bytes in binary units: `0 B`, `512 B`, `1.50 KiB`, `12.3 MiB`.
pub fn bytes(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    if magnitude < 1000 {
        return format!("{sign}{magnitude} B");
    }
    format!("{sign}{}iB", scaled(magnitude as f64, 1024.0, &BINARY))
}

/// Live bytes, at least 0. Threads are not read at one instant, so blocks that move between two
/// threads can make the sum negative.
pub fn live_bytes(value: i64) -> String {
    bytes(value.max(0))
}

/// Blocks on lists and the capacity of the lists, `96/256`; without a capacity, `5`.
pub fn depth(blocks: u64, capacity: u64) -> String {
    match capacity {
        0 => count(blocks),
        _ => format!("{}/{}", count(blocks), count(capacity)),
    }
}

/// A duration: `480 ns`, `1.23 µs`, `45.6 ms`, `1.00 s`; `–` for zero, which means no sample.
pub fn duration_ns(value: u64) -> String {
    match value {
        0 => "–".into(),
        1..1000 => format!("{value} ns"),
        _ => {
            let text = scaled(value as f64 / 1000.0, 1000.0, &["µs", "ms", "s"]);
            let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            format!("{} {}", &text[..split], &text[split..])
        }
    }
}

/// A share in percent, without the sign. Only the whole is `100`: 99.999 % shows as `99.99`, so
/// that an existing slow path is never rounded away.
pub fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "–".into();
    }
    // Counters of different threads are not read at one instant, so a part may be negative.
    let share = part / whole * 100.0;
    if share <= 0.0 {
        "0.0".into()
    } else if share >= 100.0 {
        "100".into()
    } else if share >= 99.0 {
        format!("{:.2}", share.min(99.99))
    } else {
        format!("{share:.1}")
    }
}

/// The text in place of a share of calls if there were no calls: recently, or so far.
pub fn no_calls(of_late: bool) -> &'static str {
    if of_late { "no calls now" } else { "no calls so far" }
}

/// A share of a whole in percent, without the sign: `0`, `0.012`, `1.23`, `45.6`, `99.99`, `100`.
/// Neither an existing slow path nor a fast one is rounded away.
pub fn share_percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        100.0.. => "100".into(),
        99.0..100.0 => format!("{:.2}", percent.min(99.99)),
        _ if percent > 0.0 => small(percent.max(0.001)),
        _ => "0".into(),
    }
}

/// Nanoseconds per operation, without the unit: `0`, `0.012`, `1.23`, `45.6`, `789`.
pub fn cost_ns(value: f64) -> String {
    if value.abs() < 0.0005 { "0".into() } else { small(value) }
}

/// A change in nanoseconds per operation: `+1.23`, `-0.012`, `0`.
pub fn added_ns(value: f64) -> String {
    let text = cost_ns(value);
    if value > 0.0 && text != "0" { format!("+{text}") } else { text }
}

/// A relative change in percent, without the sign: `+1.2`, `-0.3`, and `0` for a change that rounds
/// to zero.
pub fn added_percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 0.05 { "0".into() } else { format!("{percent:+.1}") }
}

/// Three significant digits, but at most three decimals.
fn small(value: f64) -> String {
    match value.abs() {
        0.0..0.0995 => format!("{value:.3}"),
        0.0..9.995 => format!("{value:.2}"),
        0.0..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A time span in the two largest units: `4s`, `2m05s`, `3h07m`, `2d04h`.
pub fn span_seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Time since an event: hundredths of seconds below a minute.
pub fn ago_seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 60.0 { format!("{seconds:.2}s") } else { span_seconds(seconds as u64) }
}

const SI: [&str; 5] = ["", "k", "M", "G", "T"];
const BINARY: [&str; 5] = [" ", " K", " M", " G", " T"];

/// Three significant digits with the first suffix that keeps the number below 1000.
fn scaled(mut value: f64, base: f64, suffixes: &[&str]) -> String {
    let mut index = 0;
    // 999.5 would print as 1000, which belongs to the next suffix.
    while value >= 999.5 && index + 1 < suffixes.len() {
        value /= base;
        index += 1;
    }
    let suffix = suffixes[index];
    if value < 9.995 {
        format!("{value:.2}{suffix}")
    } else if value < 99.95 {
        format!("{value:.1}{suffix}")
    } else {
        format!("{value:.0}{suffix}")
    }
}

#[cfg(test)]
mod tests;

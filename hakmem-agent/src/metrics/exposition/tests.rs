use super::*;

const COUNTER: Family =
    Family { name: "x_bytes_total", kind: Kind::Counter, unit: "bytes", help: "Some bytes." };
const INFO: Family = Family { name: "x_info", kind: Kind::Info, unit: "", help: "Who." };
const TIMES: Family = Family {
    name: "x_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    help: "How long.",
};

fn document(format: Format) -> String {
    let mut out = Exposition::new(format);
    out.number(&COUNTER, &[("a", "1")], 7);
    out.number(&COUNTER, &[("a", "2\"\\\n")], 8);
    out.number(&INFO, &[], 1);
    out.histogram(&TIMES, &[], &[(0.5, 1), (1.0, 2)], 3, 9.5);
    out.finish()
}

#[test]
fn openmetrics() {
    let expected = r#"# TYPE x_bytes counter
# UNIT x_bytes bytes
# HELP x_bytes Some bytes.
x_bytes_total{a="1"} 7
x_bytes_total{a="2\"\\\n"} 8
# TYPE x info
# HELP x Who.
x_info 1
# TYPE x_duration_seconds histogram
# UNIT x_duration_seconds seconds
# HELP x_duration_seconds How long.
x_duration_seconds_bucket{le="0.5"} 1
x_duration_seconds_bucket{le="1.0"} 3
x_duration_seconds_bucket{le="+Inf"} 6
x_duration_seconds_sum 9.5
x_duration_seconds_count 6
# EOF
"#;
    assert_eq!(document(Format::OpenMetrics), expected);
}

#[test]
fn text() {
    let expected = r#"# TYPE x_bytes_total counter
# HELP x_bytes_total Some bytes.
x_bytes_total{a="1"} 7
x_bytes_total{a="2\"\\\n"} 8
# TYPE x_info gauge
# HELP x_info Who.
x_info 1
# TYPE x_duration_seconds histogram
# HELP x_duration_seconds How long.
x_duration_seconds_bucket{le="0.5"} 1
x_duration_seconds_bucket{le="1.0"} 3
x_duration_seconds_bucket{le="+Inf"} 6
x_duration_seconds_sum 9.5
x_duration_seconds_count 6
"#;
    assert_eq!(document(Format::Text), expected);
}

#[test]
fn the_preferred_format_is_answered() {
    let check = |accept: Option<&str>, expected| {
        assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
    };
    check(None, Format::Text);
    check(Some("*/*"), Format::Text);
    check(Some("text/html,application/xhtml+xml"), Format::Text);
    check(Some("application/openmetrics-text"), Format::OpenMetrics);
    check(Some("application/openmetrics-text;version=0.0.1"), Format::Text);
    // The header that Prometheus 2 and 3 send.
    check(
        Some(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        ),
        Format::OpenMetrics,
    );
    check(
        Some(
            "application/vnd.google.protobuf;q=0.7,\
             application/openmetrics-text; version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.6",
        ),
        Format::Text,
    );
}

#[test]
fn what_is_no_number_is_left_out() {
    let mut out = Exposition::new(Format::Text);
    out.float(&TIMES, &[], f64::NAN);
    assert_eq!(out.finish(), "");
}

#[test]
fn buckets_never_fall_however_much_they_hold() {
    let mut out = Exposition::new(Format::OpenMetrics);
    let buckets = [(0.5, u64::MAX - 1), (1.0, 7), (2.0, u64::MAX)];
    out.histogram(&TIMES, &[], &buckets, u64::MAX, 1e300);
    let page = out.finish();
    let counts = page.lines().filter(|line| line.contains("_bucket") || line.contains("_count"));
    let counts: Vec<u64> = counts.map(|l| l.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(counts, [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX, u64::MAX]);
}

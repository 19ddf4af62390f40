use std::format;
use std::vec::Vec;

use super::*;

#[path = "../../../fuzz/corpus.rs"]
mod corpus;

#[test]
fn the_corpus_of_environments_does_no_harm_and_its_seeds_are_settings() {
    for (name, input) in corpus::inputs("settings") {
        let changes = read_environment(&input);
        assert!(changes > 0 || !corpus::is_seed(&name), "{name} changes nothing");
    }
}

/// Writes the seeds anew: `cargo test -p hakmem-alloc --lib -- --ignored fuzz::tests::record`.
#[test]
#[ignore = "writes fuzz/corpus/settings"]
fn record() {
    let all = [
        "HAKMEM_DIR=/dev/shm/x",
        "HAKMEM_LABELS=service=x,version=y",
        "HAKMEM_TELEMETRY=off",
        "HAKMEM_PUSH=direct",
        "HAKMEM_CHECK=full",
        "HAKMEM_ON_ERROR=abort",
        "HAKMEM_LIST_BYTES=4096",
        "HAKMEM_ALLOW_UNSAFE=1",
        "HAKMEM_ROUTING=e3",
        "HAKMEM_LIBRARY=/lib/x.so",
    ];
    let routings = ["registry", "exclude", "uniform", "hybrid", "e3", "direct"];
    let routings: Vec<_> = routings.map(|it| format!("HAKMEM_ROUTING={it}")).into();
    let bad = ["HAKMEM_CHECK=off", "HAKMEM_CHECK=", "HAKMEM_CHECK=of", "HAKMEM_X=1", "HAKMEM_DIR"];
    corpus::record(
        "settings",
        [
            ("every-setting", all.join("\0").into()),
            ("every-routing", routings.join("\0").into()),
            ("bad-values", bad.join("\0").into()),
        ],
    );
}

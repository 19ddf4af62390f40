//! Tests of the tab C7 routing.

use super::*;

#[test]
fn routing_explains_itself() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 24, &model, &state(Tab::Routing)), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample                                               ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
    ─ C7 routing direct ───────────────────────────────────────  ─ slow paths of C7  513–1024 bytes ────────────────────────
    no headers: the class map answers with one load, so C7 is    allocations    29.9k/s slow, 2.0 % of 1.50M/s
    freed as fast as any class                                     refill_central   22.4k ██████·· list empty, batch from t…
    allocations    1.50M/s █████████████▊ 98.0 % fast              refill_slab      7.48k ██······ list empty, blocks of a …
    frees          1.35M/s █████████████▊ 97.8 % fast            frees          29.9k/s slow, 2.2 % of 1.35M/s
    FREES RECOGNISED BY       ALL/s     FAST     SLOW              flush_full       29.9k ████████ lists full, batch to the…
      map                     1.35M    1.32M    29.9k            took        p50 288 ns  p99 4.61 µs  p99.9 ever 5.12 µs
      sized                       0        0        0            blocks      1.62M live  96 on lists  1.28k central
                   PEAK/S LAST 18s                               162k events suppressed
    alloc fast      1.54M                          ▅▃▃▅██▆▃▃▅▇█
    alloc slow      31.5k                          ▅▃▃▅██▆▃▃▅▇█
    free  fast      1.38M                          ▅▃▃▅██▆▃▃▅▇█
    free  slow      31.5k                          ▅▃▃▅██▆▃▃▅▇█

    ─ C7 fast peak 2.93M/s, last 1m00s ─────────────────────────────────────────────────────────────────────────────────────
                                                                                                                    ▇█▂   ▅█
                                                                                                                ▇  ▇███▁ ▅██
                                                                                                                ████████▇███
    ─ C7 slow peak 62.9k/s, last 1m00s ─────────────────────────────────────────────────────────────────────────────────────
                                                                                                                ▂  ▂▇█▄  ▁▆█
                                                                                                                █▆▆████▆▅███
     q quit  ? help  c rates/totals  Esc processes  p pause  + - interval  t theme                          /run/agent.sock
    ");
}

#[test]
fn a_routing_with_anomalies_says_what_they_are() {
    let mut model = sample::model();
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    let identity = process.identity.as_mut().unwrap();
    (identity.routing, identity.check) = ("e3".into(), "full".into());
    process.classes[2].outcomes.push(proto::OutcomeCount {
        outcome: "header_false_positive".into(),
        count: 977,
        fast: 977,
    });
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    model.events.merge(events());
    let mut state = state(Tab::Routing);
    state.choose(&model.processes["4000-1-00"]);
    insta::assert_snapshot!(drawn(80, 20, &model, &state), @r"
     hakmem  redis-server 4000 · running 17s · e3 · check full             ● 100 ms
     1 Processes   2 Classes   3 C7   4 Threads   5 Events 12 lost   6 Findings
    ─ C7 routing e3 ────────────────────────────────────────────────────────────────
    UNSAFE: header only; C7 has none, and a byte like one sends it to a wrong list
    ANOMALIES 977 in all · last seen 0.00s ago
      taken for C3 ×1
    allocations     835k/s █████████████▊ 98.0 % fast
    frees           751k/s █████████████▊ 97.8 % fast
    FREES RECOGNISED BY       ALL/s     FAST     SLOW
      map                      751k     734k    16.7k  one load from the class map
      header_false_positive      977      977        0
      sized                       0        0        0  the caller passed its size
                   PEAK/S LAST 29s
    alloc fast      1.54M                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    alloc slow      31.5k                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    free  fast      1.38M                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    free  slow      31.5k                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    anomalies         977                                                         ██

     q quit  ? help  c rates/totals  Esc processes  p pause  + - interval  t theme
    ");
}

#[test]
fn headered_routings_name_their_push_and_their_sizes() {
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    let identity = process.identity.as_mut().unwrap();
    (identity.routing, identity.push) = ("hybrid".into(), "boxed".into());
    let bins = [("C1", 16, 1), ("C2", 32, 1), ("C3", 64, 1), ("C6", 512, 1), ("C7", 1024, 0)];
    let bins = bins.map(|(class, stride_bytes, header_bytes)| proto::Bin {
        class: class.into(),
        stride_bytes,
        header_bytes,
        ..Default::default()
    });
    identity.bins = bins.into();
    process.classes.remove(0);
    process.classes[1].outcomes[0].outcome = "headerless".into();
    let mut model = Model::new("/run/agent.sock");
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    insta::assert_snapshot!(drawn(110, 18, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · running 17s · hybrid boxed · check sample                               ● 100 ms
     1 Processes 1   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     alloc 0/s  free 0/s  fast –  slow 0/s  live 5.00 MiB  threads 2  slabs 8.00 MiB  cached 2.00 MiB
    CLASS BYTES    ALLOC/S  FREE/S FAST % SLOW/S  BY REASON           LIST DEPTH              LIVE     P50     P99
    C3    32–63          0       0      –      0                      ██▋···· 96/256       830 MiB  287 ns 4.61 µs
    C7    512–1024       0       0      –      0                      ██▋···· 96/256      1.62 GiB  287 ns 4.61 µs
    mid   > 1 KiB        0       0      –      0                      ██▋···· 96/256      1.66 MiB  287 ns 4.61 µs
    ─ C7 routing hybrid boxed push ───────────────────────  ─ slow paths of C7  512–1024 bytes ───────────────────
    header, but the registry for 1024-aligned pointers:
    every C7 is one, and freed slowly
    allocations        0/s ·············· no calls now
    frees              0/s ·············· no calls now





     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval  t theme
    ");
}

//! Tests of the tab Events.

use super::*;

#[test]
fn events_say_first_what_is_missing() {
    let mut model = sample::model();
    model.events.merge(events());
    insta::assert_snapshot!(drawn(100, 9, &model, &state(Tab::Events)), @r"
    hakmem  redis-server 4000 · running 16s · direct · check sample                           ● 100 ms
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events 12 lost   6 Findings
    12 lost · 0 suppressed to bound their rate · counters count everything
        AGO     TID EVENT           CLASS DETAIL                         TOOK      VALUE ADDRESS
      1.25s    4001 anomaly         C7    claims C3: header_false_p…        –       0xa3 0x7f0012345400
      1.50s    4001 slow_free       C7    flush_full                  1.25 µs            0x7f0012345400
      1.75s    4001 slow_allocation C7    refill_central               480 ns            0x7f0012345400

    q quit  ? help  j k scroll  / filter  p pause  + - interval  t theme               /run/agent.sock
    ");
}

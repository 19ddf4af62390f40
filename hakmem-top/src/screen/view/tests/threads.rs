//! Tests of the tab Threads.

use super::*;

#[test]
fn threads_show_how_full_their_lists_are() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 8, &model, &state(Tab::Threads)), @r"
    hakmem  redis-server 4000 · running 16s · direct · check sample                                               ● 100 ms
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
    2 alive in 2 slots · a slot's counts continue when its thread ends and another takes it
       TID THREAD              ALLOC/S  FREE/S FAST % SLOW/S     C0     C1     C2     C3     C4     C5     C6     C7    mid
      4000 main                  1.50M    748k   98.0  44.9k                         12▁                        126█     0
      4001 worker ×2              748k    374k   98.0  22.4k                         12▁                        126█     0

    q quit  ? help  j k scroll  / filter  p pause  + - interval  t theme                                   /run/agent.sock
    ");
}

#[test]
fn deep_lists_keep_their_bar_and_lists_without_a_bound_have_none() {
    let mut model = sample::model();
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    for list in &mut process.threads[0].lists {
        (list.depth_blocks, list.capacity_blocks) = (1234, 2000);
    }
    (process.classes[0].depth_blocks, process.classes[0].capacity_blocks) = (5, 0);
    process.classes[1].live_bytes = -4096;
    process.totals.as_mut().unwrap().live_bytes = -1;
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    let screen = drawn(120, 8, &model, &state(Tab::Threads));
    let row = screen.lines().find(|line| line.contains("main")).unwrap();
    assert_eq!(row.matches("1.23k▅").count(), 3, "{screen}");
    let screen = drawn(120, 12, &model, &state(Tab::Classes));
    assert!(screen.contains("███████ 5 ") && !screen.contains("5/0"), "{screen}");
    assert!(!screen.contains("-4") && screen.contains("live 0 B"), "{screen}");
}

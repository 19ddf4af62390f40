use super::*;

fn line(state: &str, flags: u64, status: i32) -> String {
    let zeros = "0 ".repeat(29);
    format!(
        "7 (a) b (c) {state} 1 2 3 4 5 {flags} 7 8 9 10 11 12 13 14 15 16 17 18 777 {zeros}{status}"
    )
}

#[test]
fn an_ending_process_does_not_live() {
    let check = |state: &str, flags: u64, lives: bool| {
        let stat = ProcStat::parse(line(state, flags, 0).as_bytes()).unwrap();
        assert_eq!((stat.lives(), stat.start_time_ticks), (lives, 777), "{state} {flags}");
    };
    check("S", 0x40_0000, true);
    check("R", 0x40_0004, false);
    check("Z", 0x40_0000, false);
    assert!(ProcStat::parse(b"garbage").is_none());
    assert!(ProcStat::parse(b"1 (x) R").is_none());
}

#[test]
fn the_wait_status_is_the_last_field_of_a_zombies_line() {
    let stat = ProcStat::parse(line("Z", 4, 139).as_bytes()).unwrap();
    assert_eq!((stat.is_zombie(), stat.wait_status), (true, Some(139)));
}

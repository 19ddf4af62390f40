//! Tests of the screen without data.

use super::*;

#[test]
fn an_empty_list_says_why() {
    let mut model = sample::model();
    let mut view = state(Tab::Processes);
    view.filters[Tab::Processes as usize] = "nobody".into();
    let screen = drawn(100, 8, &model, &view);
    let said = "no process is shown: 2 processes do not pass the filter `nobody` (Esc clears it)";
    assert!(screen.contains(said), "{screen}");
    for process in model.processes.values_mut() {
        process.state = "exited".into();
    }
    let mut view = state(Tab::Processes);
    view.hide_ended = true;
    let screen = drawn(100, 8, &model, &view);
    assert!(screen.contains("2 hidden: those that have ended (e shows them)"), "{screen}");
    for (tab, said) in [
        (Tab::Threads, "no thread passes the filter `nobody`; Esc clears it"),
        (Tab::Events, "no event passes the filter `nobody`; Esc clears it"),
        (Tab::Findings, "no finding passes the filter `nobody`; Esc clears it"),
    ] {
        let mut view = state(tab);
        view.filters[tab as usize] = "nobody".into();
        let screen = drawn(100, 8, &model, &view);
        assert!(screen.contains(said), "{screen}");
    }
    let mut model = Model::new("test");
    model.connection = Connection::Lost { reason: "connection refused".into(), attempts: 2 };
    let screen = drawn(100, 8, &model, &state(Tab::Processes));
    assert!(screen.contains("  no agent: connection refused"), "{screen}");
    let mut model = Model::new("test");
    model.directory_problem = Some("the directory /a does not exist".into());
    let screen = drawn(100, 8, &model, &state(Tab::Processes));
    assert!(screen.contains("  the directory /a does not exist"), "{screen}");
    let obstacle = Some("/bin/x is statically linked".into());
    model.program = Some(Program { command: "x -v".into(), obstacle, ..Program::default() });
    let screen = drawn(100, 8, &model, &state(Tab::Classes));
    assert!(screen.contains("  x publishes nothing: /bin/x is statically linked"), "{screen}");
}

#[test]
fn a_process_that_is_gone_is_named_and_no_other_shown_in_its_place() {
    let mut model = sample::model();
    let mut view = state(Tab::Classes);
    view.settle_focus(&model);
    model.processes.remove("4000-1-00");
    for tab in [Tab::Processes, Tab::Classes, Tab::Threads] {
        view.tab = tab;
        let screen = drawn(100, 20, &model, &view);
        let said = "redis-server 4000 is gone, and the agent has kept nothing of it";
        assert!(screen.contains(said), "{screen}");
        assert!(tab == Tab::Processes || !screen.contains("python3"), "{screen}");
    }
}

#[test]
fn of_an_idle_program_no_share_of_no_calls_is_told() {
    let mut model = Model::new("/run/agent.sock");
    let process = sample::process(4000, "redis-server", 17.0, 1e6);
    let at = |second: f64| sample::timestamp(sample::STARTED_AT as f64 + second);
    for second in [17.0, 18.0, 19.0] {
        let mut same = process.clone();
        same.sampled_at = Some(at(second));
        model.merge(Stream::Detail, sample::update(second, vec![same]));
    }
    for tab in [Tab::Processes, Tab::Classes, Tab::Routing] {
        let screen = drawn(130, 36, &model, &state(tab));
        assert!(!screen.contains("– %") && !screen.contains("% of 0"), "{screen}");
        assert!(!screen.contains("no C7 block has been freed"), "{screen}");
    }
    let screen = drawn(130, 36, &model, &state(Tab::Routing));
    assert!(screen.contains("allocations        0/s ·············· no calls now"), "{screen}");
    assert!(screen.contains("allocations        0/s slow, no calls now"), "{screen}");
}

#[test]
fn without_processes_it_says_how_to_start_one() {
    let mut model = Model::new("test");
    model.merge(Stream::Overview, sample::update(1.0, vec![]));
    insta::assert_snapshot!(drawn(80, 9, &model, &state(Tab::Processes)), @r"
    hakmem  0 running                                                     ● 100 ms
    1 Processes 0   2 Classes   3 C7 routing   4 Threads   5 Events   6 Findings

     no process publishes in /dev/shm/hakmem-1000

     start one:  hakmem-top run -- PROGRAM ARGS
     or see it:  hakmem-top demo

    q quit  ? help  Enter open  s i sort  / filter  e ended  p pause  + - interval
    ");
}

//! Tests of the screen with missing data, after bad ends, and in too little space.

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
    model.directory_problem = Some("there is no directory /a".into());
    let screen = drawn(100, 8, &model, &state(Tab::Processes));
    assert!(screen.contains("  there is no directory /a"), "{screen}");
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
fn a_bad_end_is_announced_on_every_tab_and_counted_in_the_title() {
    let mut model = sample::model();
    let mut ended = sample::strip(&sample::process(4100, "python3", 17.0, 1.0));
    (ended.state, ended.end_signal) = ("crashed".into(), Some(11));
    model.merge(Stream::Overview, sample::update(17.0, vec![ended]));
    for tab in Tab::ALL {
        let screen = drawn(80, 10, &model, &state(tab));
        assert!(screen.contains(" ✗ python3 4100 crashed by SIGSEGV 0s ago"), "{screen}");
    }
    model.watched_for = std::time::Duration::from_secs(100);
    let mut view = state(Tab::Processes);
    view.apply(Action::Ended, &model);
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("1 running · 1 crashed or killed"), "{screen}");
    assert!(!screen.contains('✗') && screen.contains(" crashed "), "{screen}");
}

#[test]
fn labels_are_shown_with_the_process() {
    let mut model = sample::model();
    let labels = &mut model.processes.get_mut("4000-1-00").unwrap().identity.labels;
    labels.insert("version".into(), "2".into());
    labels.insert("service".into(), "shop".into());
    let screen = drawn(120, 16, &model, &state(Tab::Processes));
    assert!(screen.contains("4000 redis-server [servi… running"), "{screen}");
    assert!(screen.contains("─ redis-server 4000 service=shop,version=2 ─"), "{screen}");
    let screen = drawn(160, 16, &model, &state(Tab::Processes));
    assert!(screen.contains("redis-server [service=shop,version=2] --fast"), "{screen}");
    let title = drawn(120, 1, &model, &state(Tab::Classes));
    assert!(title.contains("running 16s · service=shop,version=2 · direct"), "{title}");
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

#[test]
fn what_is_longer_than_the_screen_scrolls() {
    let model = sample::model();
    let mut view = state(Tab::Classes);
    view.apply(Action::Help, &model);
    let area = Rect::new(0, 0, 80, 10);
    let body = Areas::of(area, &model, &view).body;
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("help · 1 to 5 of 19, j k scroll"), "{screen}");
    assert!(!screen.contains("P50 P99  "), "{screen}");
    let last = scrolled(body, &model, &view, 1000).unwrap();
    view.apply(Action::ScrollTo(last), &model);
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("help · 15 to 19 of 19") && screen.contains("P50 P99  "), "{screen}");
    view.apply(Action::Back, &model);
    assert_eq!((view.help, view.scroll), (false, 0));
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

use hakmem_proto::v1 as proto;

use super::*;
use crate::model::{Program, ProgramEnd, Stream, sample};

fn state(tab: Tab) -> ViewState {
    ViewState::new(tab, INTERVAL_MS_DEFAULT, ThemeName::Mono)
}

fn names(state: &ViewState, model: &Model) -> Vec<String> {
    state.processes(model).iter().map(|it| it.name().to_owned()).collect()
}

#[test]
fn processes_are_sorted_and_inverted() {
    let model = sample::model();
    let mut state = state(Tab::Processes);
    assert_eq!(names(&state, &model), ["redis-server", "python3"]);
    state.apply(Action::SortInvert, &model);
    assert_eq!(names(&state, &model), ["python3", "redis-server"]);
    state.apply(Action::SortInvert, &model);
    state.sort = SortColumn::Name;
    assert_eq!(names(&state, &model), ["python3", "redis-server"]);
}

#[test]
fn ended_processes_come_last_and_can_be_hidden() {
    let mut model = sample::model();
    model.processes.get_mut("4000-1-00").unwrap().state = "exited".into();
    let mut state = state(Tab::Processes);
    assert_eq!(names(&state, &model), ["python3", "redis-server"]);
    state.apply(Action::Ended, &model);
    assert_eq!(names(&state, &model), ["python3"]);
    // The end of the process in focus is not hidden.
    state.choose(&model.processes["4000-1-00"]);
    assert_eq!(names(&state, &model), ["python3", "redis-server"]);
}

#[test]
fn a_bad_end_cannot_be_hidden() {
    let mut model = sample::model();
    let mut state = state(Tab::Processes);
    state.apply(Action::Ended, &model);
    let ends =
        [("crashed", Some(11), true), ("killed", Some(9), true), ("killed", Some(15), false)];
    for (end, signal, is_shown) in ends {
        let process = model.processes.get_mut("4000-1-00").unwrap();
        (process.state, process.end_signal) = (end.into(), signal);
        assert_eq!(names(&state, &model).len(), 1 + usize::from(is_shown), "{end} {signal:?}");
    }
}

#[test]
fn the_filter_looks_at_names_and_arguments() {
    let model = sample::model();
    let mut state = state(Tab::Processes);
    state.apply(Action::FilterBegin, &model);
    for character in "REDIS".chars() {
        state.apply(Action::FilterPush(character), &model);
    }
    assert_eq!(names(&state, &model), ["redis-server"]);
    state.apply(Action::Back, &model);
    assert_eq!((state.filter(), state.editing_filter), ("", false));
    *state.filter_mut() = "--fast".into();
    assert_eq!(names(&state, &model).len(), 2);
}

#[test]
fn the_filter_looks_at_pids_and_labels() {
    let mut model = sample::model();
    let labels = &mut model.processes.get_mut("4100-1-00").unwrap().identity.labels;
    labels.insert("service".into(), "shop".into());
    let mut state = state(Tab::Processes);
    for (text, name) in [("4000", "redis-server"), ("service=shop", "python3"), ("4100", "python3")]
    {
        *state.filter_mut() = text.into();
        assert_eq!(names(&state, &model), [name], "{text}");
    }
}

#[test]
fn a_filter_belongs_to_its_tab() {
    let model = sample::model();
    let mut state = state(Tab::Processes);
    *state.filter_mut() = "redis".into();
    state.apply(Action::Open, &model);
    state.apply(Action::Tab(Tab::Threads), &model);
    assert_eq!((state.filter(), state.row_count(&model)), ("", 2));
    state.apply(Action::FilterBegin, &model);
    state.apply(Action::FilterPush('m'), &model);
    assert_eq!(state.row_count(&model), 1);
    assert_eq!(names(&state, &model), ["redis-server"], "the list of processes keeps its own");
    state.apply(Action::Tab(Tab::Processes), &model);
    assert_eq!((state.filter(), state.editing_filter), ("redis", false));
    // The table of classes has no filter.
    state.apply(Action::Tab(Tab::Classes), &model);
    state.apply(Action::FilterBegin, &model);
    assert!(!state.editing_filter);
}

#[test]
fn the_focus_stays_on_its_process_whoever_is_busiest() {
    let mut model = sample::model();
    let mut state = state(Tab::Classes);
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().name(), "redis-server");
    for at in [17.0, 18.0] {
        let busier = sample::process(4100, "python3", at * 100.0, 1e6);
        let at = sample::STARTED_AT as f64 + at;
        let busier = proto::Process { sampled_at: Some(sample::timestamp(at)), ..busier };
        model.merge(Stream::Overview, sample::update(at, vec![sample::strip(&busier)]));
    }
    state.settle_focus(&model);
    assert_eq!(names(&state, &model)[0], "python3");
    assert_eq!(state.focused(&model).unwrap().name(), "redis-server");
}

#[test]
fn the_focus_stays_after_the_end_and_is_empty_once_the_process_is_forgotten() {
    let mut model = sample::model();
    let mut state = state(Tab::Classes);
    state.settle_focus(&model);
    model.processes.get_mut("4000-1-00").unwrap().state = "killed".into();
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().state, "killed");
    model.processes.remove("4000-1-00");
    state.settle_focus(&model);
    assert!(state.focused(&model).is_none(), "and no other takes its place");
    let focus = state.focus.clone().unwrap();
    assert_eq!((focus.name.as_str(), focus.pid), ("redis-server", 4000));
    state.apply(Action::Tab(Tab::Processes), &model);
    assert!(!state.is_focus_listed(&model));
    state.apply(Action::Move(1), &model);
    assert_eq!(state.focused(&model).unwrap().name(), "python3");
}

#[test]
fn the_focus_follows_a_program_into_what_it_executes() {
    let mut model = sample::model();
    let mut state = state(Tab::Processes);
    state.choose(&model.processes["4000-1-00"]);
    model.processes.get_mut("4000-1-00").unwrap().state = "replaced".into();
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().state, "replaced", "until there is a successor");
    let mut successor = sample::process(4000, "sed", 20.0, 10.0);
    successor.key = "4000-1-01".into();
    let started = sample::timestamp(sample::STARTED_AT as f64 + 19.0);
    successor.identity.as_mut().unwrap().started_at = Some(started);
    model.merge(Stream::Overview, sample::update(20.0, vec![sample::strip(&successor)]));
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().name(), "sed");
}

#[test]
fn the_program_that_was_started_is_looked_at_until_another_is_chosen() {
    let mut model = sample::model();
    let mut state = state(Tab::Classes);
    model.program = Some(Program { pid: 5000, ..Program::default() });
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().name(), "redis-server", "its child came first");
    model.program = Some(Program { pid: 4100, ..Program::default() });
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().name(), "python3");
    state.choose(&model.processes["4000-1-00"]);
    state.settle_focus(&model);
    assert_eq!(state.focused(&model).unwrap().name(), "redis-server");
}

#[test]
fn the_selection_follows_the_process_and_not_the_row() {
    let model = sample::model();
    let mut state = state(Tab::Processes);
    state.apply(Action::Move(1), &model);
    assert_eq!(state.focused(&model).unwrap().name(), "python3");
    state.apply(Action::SortInvert, &model);
    assert_eq!(state.focused(&model).unwrap().name(), "python3");
    assert_eq!(state.selected_row(&model), 0);
}

#[test]
fn rows_end_where_the_list_does() {
    let model = sample::model();
    for tab in Tab::ALL {
        let mut state = state(tab);
        for action in [Action::Move(-5), Action::Last, Action::Move(100), Action::Row(99)] {
            state.apply(action, &model);
            assert!(state.selected_row(&model) < state.row_count(&model).max(1), "{tab:?}");
        }
    }
}

#[test]
fn the_interval_steps_between_its_ends() {
    let model = sample::model();
    let mut state = state(Tab::Classes);
    assert_eq!(state.apply(Action::Interval(true), &model), Some(Effect::SetInterval(50)));
    assert_eq!(state.apply(Action::Interval(true), &model), Some(Effect::SetInterval(50)));
    for _ in 0..10 {
        state.apply(Action::Interval(false), &model);
    }
    assert_eq!(state.interval_ms, 5000);
}

#[test]
fn quitting_asks_only_for_a_program_that_runs() {
    let mut model = sample::model();
    let mut attached = state(Tab::Processes);
    assert_eq!(attached.apply(Action::Quit, &model), Some(Effect::Quit));

    model.program = Some(Program::default());
    let mut run = state(Tab::Classes);
    run.asks_before_quit = true;
    assert_eq!(run.apply(Action::Quit, &model), None);
    assert!(run.asking);
    run.apply(Action::Back, &model);
    assert!(!run.asking);
    run.apply(Action::Quit, &model);
    assert_eq!(run.apply(Action::Quit, &model), Some(Effect::Quit));

    model.program.as_mut().unwrap().end = Some(ProgramEnd::Exited(0));
    run.asking = false;
    assert_eq!(run.apply(Action::Quit, &model), Some(Effect::Quit));
}

#[test]
fn an_ended_process_shows_totals_unless_rates_are_asked_for() {
    let mut model = sample::model();
    model.processes.get_mut("4000-1-00").unwrap().state = "exited".into();
    let mut state = state(Tab::Classes);
    state.choose(&model.processes["4000-1-00"]);
    assert_eq!(state.measure_of(&model.processes["4000-1-00"]), Measure::Total);
    assert_eq!(state.measure_of(&model.processes["4100-1-00"]), Measure::Rate);
    state.apply(Action::Measure, &model);
    assert_eq!(state.measure_of(&model.processes["4000-1-00"]), Measure::Rate);
}

#[test]
fn every_theme_comes_round() {
    let model = sample::model();
    let mut state = ViewState::new(Tab::Classes, 100, ThemeName::Dark);
    for name in [ThemeName::Light, ThemeName::Mono, ThemeName::Dark] {
        state.apply(Action::ThemeNext, &model);
        assert_eq!(state.theme, Theme::new(name));
    }
}

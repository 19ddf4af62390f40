use super::*;
use crate::model::{Program, ProgramEnd, sample};

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
    model.processes.get_mut("4000-1-00").unwrap().state = "crashed".into();
    let mut state = state(Tab::Processes);
    assert_eq!(names(&state, &model), ["python3", "redis-server"]);
    state.apply(Action::Ended, &model);
    assert_eq!(names(&state, &model), ["python3"]);
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
    assert_eq!((state.filter.as_str(), state.editing_filter), ("", false));
    state.filter = "--fast".into();
    assert_eq!(names(&state, &model).len(), 2);
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
    state.focus = Some("4000-1-00".into());
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

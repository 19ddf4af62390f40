use crossterm::event::KeyEventState;

use super::*;
use crate::model::sample;
use crate::screen::view_state::ThemeName;

const SCREEN: Rect = Rect::new(0, 0, 120, 36);

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn meaning(state: &ViewState, event: &Event) -> Option<Action> {
    action(event, state, &sample::model(), SCREEN)
}

fn state(tab: Tab) -> ViewState {
    ViewState::new(tab, 100, ThemeName::Mono)
}

#[test]
fn keys_mean_what_people_expect() {
    let state = state(Tab::Classes);
    let check = |code, expected| assert_eq!(meaning(&state, &key(code)), Some(expected));
    check(KeyCode::Char('q'), Action::Quit);
    check(KeyCode::Char('?'), Action::Help);
    check(KeyCode::Char('j'), Action::Move(1));
    check(KeyCode::Up, Action::Move(-1));
    check(KeyCode::Char('G'), Action::Last);
    check(KeyCode::Char('3'), Action::Tab(Tab::Routing));
    check(KeyCode::Char('d'), Action::Compare);
    check(KeyCode::Tab, Action::TabStep(true));
    check(KeyCode::Char('h'), Action::TabStep(false));
    check(KeyCode::Char(' '), Action::Pause);
    check(KeyCode::Esc, Action::Back);
    assert_eq!(meaning(&state, &key(KeyCode::Char('z'))), None);
}

#[test]
fn a_released_key_means_nothing() {
    let event = KeyEvent {
        code: KeyCode::Char('q'),
        modifiers: KeyModifiers::NONE,
        kind: KeyEventKind::Release,
        state: KeyEventState::NONE,
    };
    assert_eq!(meaning(&state(Tab::Classes), &Event::Key(event)), None);
}

#[test]
fn while_the_filter_is_edited_keys_are_text() {
    let mut state = state(Tab::Processes);
    state.editing_filter = true;
    assert_eq!(meaning(&state, &key(KeyCode::Char('q'))), Some(Action::FilterPush('q')));
    assert_eq!(meaning(&state, &key(KeyCode::Enter)), Some(Action::FilterKeep));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(meaning(&state, &interrupt), Some(Action::Quit));
}

#[test]
fn a_question_takes_only_its_answers() {
    let mut state = state(Tab::Classes);
    state.asking = true;
    assert_eq!(meaning(&state, &key(KeyCode::Char('d'))), Some(Action::Leave));
    assert_eq!(meaning(&state, &key(KeyCode::Char('q'))), Some(Action::Quit));
    assert_eq!(meaning(&state, &key(KeyCode::Char('j'))), None);
}

fn click(column: u16, row: u16) -> Event {
    let kind = MouseEventKind::Down(MouseButton::Left);
    Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[test]
fn clicks_select_tabs_and_rows_and_open_the_selected_row() {
    let state = state(Tab::Processes);
    assert_eq!(meaning(&state, &click(18, 1)), Some(Action::Tab(Tab::Classes)));
    assert_eq!(meaning(&state, &click(10, 3)), Some(Action::Open));
    assert_eq!(meaning(&state, &click(10, 4)), Some(Action::Row(1)));
    assert_eq!(meaning(&state, &click(10, 5)), None, "no row is there");
    assert_eq!(meaning(&state, &click(119, 1)), None, "no tab is there");
}

#[test]
fn the_wheel_moves_the_selection() {
    let kind = MouseEventKind::ScrollDown;
    let wheel = Event::Mouse(MouseEvent { kind, column: 5, row: 5, modifiers: KeyModifiers::NONE });
    assert_eq!(meaning(&state(Tab::Events), &wheel), Some(Action::Move(3)));
}

#[test]
fn what_lies_on_top_is_scrolled_instead_of_the_rows_below() {
    let mut state = state(Tab::Classes);
    state.help = true;
    let small = Rect::new(0, 0, 80, 12);
    let press = |state: &ViewState, code| action(&key(code), state, &sample::model(), small);
    assert_eq!(press(&state, KeyCode::Char('j')), Some(Action::ScrollTo(1)));
    assert_eq!(press(&state, KeyCode::Char('k')), Some(Action::ScrollTo(0)));
    let Some(Action::ScrollTo(last)) = press(&state, KeyCode::Char('G')) else { panic!() };
    assert!(last > 5, "{last}");
    state.scroll = last;
    assert_eq!(press(&state, KeyCode::PageDown), Some(Action::ScrollTo(last)));
    assert_eq!(press(&state, KeyCode::Char('g')), Some(Action::ScrollTo(0)));
    state.help = false;
    assert_eq!(press(&state, KeyCode::Char('j')), Some(Action::Move(1)));
    // The program's output is shown from its end, and scrolls up from there.
    let mut model = sample::model();
    let mut program = crate::model::Program::default();
    program.output.push("line\n".repeat(100).as_bytes());
    model.program = Some(program);
    (state.output, state.scroll) = (true, 0);
    let up = action(&key(KeyCode::Up), &state, &model, small);
    assert_eq!(up, Some(Action::ScrollTo(1)));
    assert_eq!(action(&key(KeyCode::Down), &state, &model, small), Some(Action::ScrollTo(0)));
}

#[test]
fn control_l_draws_anew() {
    let event = Event::Key(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL));
    assert_eq!(meaning(&state(Tab::Classes), &event), Some(Action::Redraw));
}

//! The meaning of keys, clicks and the mouse wheel.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton};
use crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use crate::model::Model;
use crate::screen::view::{Areas, Hit, hit, scrolled};
use crate::screen::view_state::{Action, Tab, ViewState};

/// Rows that a page key moves by.
const PAGE_ROWS: i64 = 10;
/// Rows that one notch of the wheel moves by.
const WHEEL_ROWS: i64 = 3;

/// The action that an input asks for on a screen of size `area`, if any.
pub fn action(event: &Event, state: &ViewState, model: &Model, area: Rect) -> Option<Action> {
    let action = match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_action(*key, state),
        Event::Mouse(mouse) => mouse_action(*mouse, state, model, area),
        _ => None,
    }?;
    Some(on_top(action, state, model, area))
}

/// Actions that move through rows scroll the topmost overlay instead, if one is open.
fn on_top(action: Action, state: &ViewState, model: &Model, area: Rect) -> Action {
    let by = match action {
        Action::Move(by) => by,
        Action::First => -i64::from(u32::MAX),
        Action::Last => i64::from(u32::MAX),
        _ => return action,
    };
    let body = Areas::of(area, model, state).body;
    scrolled(body, model, state, by).map_or(action, Action::ScrollTo)
}

fn key_action(key: KeyEvent, state: &ViewState) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('l') => Some(Action::Redraw),
            KeyCode::Char('d') => Some(Action::Move(PAGE_ROWS)),
            KeyCode::Char('u') => Some(Action::Move(-PAGE_ROWS)),
            _ => None,
        };
    }
    if state.asking {
        return match key.code {
            KeyCode::Char('q' | 'y') | KeyCode::Enter => Some(Action::Quit),
            KeyCode::Char('d') => Some(Action::Leave),
            KeyCode::Esc | KeyCode::Char('n') => Some(Action::Back),
            _ => None,
        };
    }
    if state.editing_filter {
        return match key.code {
            KeyCode::Enter => Some(Action::FilterKeep),
            KeyCode::Esc => Some(Action::Back),
            KeyCode::Backspace => Some(Action::FilterPop),
            KeyCode::Char(character) => Some(Action::FilterPush(character)),
            _ => None,
        };
    }
    if state.help && matches!(key.code, KeyCode::Char('q') | KeyCode::Enter) {
        return Some(Action::Help);
    }
    plain_key(key.code)
}

fn plain_key(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Esc | KeyCode::Backspace => Action::Back,
        KeyCode::Char('?') | KeyCode::F(1) => Action::Help,
        KeyCode::Char('/') => Action::FilterBegin,
        KeyCode::Char('j') | KeyCode::Down => Action::Move(1),
        KeyCode::Char('k') | KeyCode::Up => Action::Move(-1),
        KeyCode::PageDown => Action::Move(PAGE_ROWS),
        KeyCode::PageUp => Action::Move(-PAGE_ROWS),
        KeyCode::Char('g') | KeyCode::Home => Action::First,
        KeyCode::Char('G') | KeyCode::End => Action::Last,
        KeyCode::Char('l') | KeyCode::Right | KeyCode::Tab => Action::TabStep(true),
        KeyCode::Char('h') | KeyCode::Left | KeyCode::BackTab => Action::TabStep(false),
        KeyCode::Enter => Action::Open,
        KeyCode::Char('1') => Action::Tab(Tab::Processes),
        KeyCode::Char('2') => Action::Tab(Tab::Classes),
        KeyCode::Char('3') => Action::Tab(Tab::Routing),
        KeyCode::Char('4') => Action::Tab(Tab::Threads),
        KeyCode::Char('5') => Action::Tab(Tab::Events),
        KeyCode::Char('6') => Action::Tab(Tab::Findings),
        KeyCode::Char('s') => Action::SortNext,
        KeyCode::Char('i') => Action::SortInvert,
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Char('+' | '=') => Action::Interval(true),
        KeyCode::Char('-') => Action::Interval(false),
        KeyCode::Char('t') => Action::ThemeNext,
        KeyCode::Char('c') => Action::Measure,
        KeyCode::Char('e') => Action::Ended,
        KeyCode::Char('o') => Action::Output,
        KeyCode::Char('d') => Action::Compare,
        _ => return None,
    })
}

fn mouse_action(mouse: MouseEvent, state: &ViewState, model: &Model, area: Rect) -> Option<Action> {
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Action::Move(WHEEL_ROWS)),
        MouseEventKind::ScrollUp => Some(Action::Move(-WHEEL_ROWS)),
        MouseEventKind::Down(MouseButton::Left) if state.help => Some(Action::Help),
        MouseEventKind::Down(MouseButton::Left) => {
            match hit(area, mouse.column, mouse.row, state, model)? {
                Hit::Tab(tab) => Some(Action::Tab(tab)),
                Hit::Row(row) if row == state.selected_row(model) => Some(Action::Open),
                Hit::Row(row) => Some(Action::Row(row)),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Explanations in place of an empty body.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::harmless;
use crate::model::{Connection, Model, Process};
use crate::screen::view_state::{Focus, Tab, Theme, ViewState};
use crate::words::paragraph;

/// Draws why the list of processes is empty, or why a tab has no process to show.
pub(super) fn draw_no_process(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    let mut lines = vec![Line::raw("")];
    let mut say = |text: &str, style| {
        let width = usize::from(area.width).saturating_sub(1).max(20);
        let wrapped = paragraph::wrap(&harmless(text), "  ", width);
        lines.extend(wrapped.lines().map(|line| Line::styled(line.to_owned(), style)));
    };
    let focus = state.focus.as_ref().filter(|_| state.tab != Tab::Processes);
    if let Some(focus) = focus {
        say(&gone(focus), theme.text);
        say("1 or Esc shows the processes", theme.dim);
    } else if model.processes.is_empty() {
        let (reason, style) = why_none(model, theme);
        say(&reason, style);
        if model.program.is_none() && model.agent.is_some() {
            say("", theme.dim);
            say("start one:  hakmem-top run -- PROGRAM ARGS", theme.dim);
            say("or see it:  hakmem-top demo", theme.dim);
        }
    } else {
        say(&why_hidden(model, state), theme.text);
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The message about a process in focus that the agent no longer knows.
pub(super) fn gone(focus: &Focus) -> String {
    format!("{} {} is gone, and the agent has kept nothing of it", focus.name, focus.pid)
}

/// Why no process is known.
fn why_none(model: &Model, theme: &Theme) -> (String, ratatui::style::Style) {
    if let Some(program) = &model.program {
        let command = program.command.split(' ').next().unwrap_or_default();
        return match (&program.obstacle, program.end) {
            (Some(obstacle), _) => (format!("{command} publishes nothing: {obstacle}"), theme.bad),
            (None, Some(_)) => (format!("{command} has ended and published nothing"), theme.bad),
            (None, None) => ("waiting for the program to publish …".into(), theme.text),
        };
    }
    if let Connection::Lost { reason, .. } = &model.connection {
        return (format!("no agent: {reason}"), theme.bad);
    }
    if let Some(problem) = &model.directory_problem {
        return (problem.clone(), theme.bad);
    }
    match &model.agent {
        Some(agent) => (format!("no process publishes in {}", agent.directory), theme.text),
        None => ("waiting for the agent …".into(), theme.text),
    }
}

/// Why none of the known processes is shown.
fn why_hidden(model: &Model, state: &ViewState) -> String {
    let hidden = model.processes.values().filter(|it| state.hides(it)).count();
    let others = model.processes.len() - hidden;
    let filter = state.filter_of(Tab::Processes);
    let mut reasons = Vec::new();
    if others > 0 {
        let passes = if others == 1 { "process does not pass" } else { "processes do not pass" };
        reasons.push(format!("{others} {passes} the filter `{filter}` (Esc clears it)"));
    }
    if hidden > 0 {
        let have = if hidden == 1 { "one that has" } else { "those that have" };
        reasons.push(format!("{hidden} hidden: {have} ended (e shows them)"));
    }
    format!("no process is shown: {}", reasons.join(", "))
}

/// Draws one line in place of an empty list.
pub(super) fn draw_no_row(frame: &mut Frame, area: Rect, text: &str, theme: &Theme) {
    frame.render_widget(Line::styled(format!("  {}", harmless(text)), theme.text), area);
}

/// Why a tab of a process has no rows: its filter, or else `otherwise`.
pub(super) fn why_no_row(what: &str, otherwise: &str, state: &ViewState) -> String {
    match state.filter() {
        "" => otherwise.to_owned(),
        filter => format!("no {what} passes the filter `{filter}`; Esc clears it"),
    }
}

/// Why the classes and threads of a process are unknown.
pub(super) fn why_no_details(process: &Process, what: &str) -> String {
    match (process.is_detailed(), process.is_running()) {
        (false, true) => format!("waiting for its {what} …"),
        (false, false) => format!("it has ended, and its {what} are not known"),
        (true, _) => format!("it has no {what} yet"),
    }
}

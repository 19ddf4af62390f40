//! Title, tabs and footer.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::events;
use super::figure::state_style;
use super::line::{harmless, shortened};
use crate::model::{Connection, Model, Process, ProgramEnd};
use crate::screen::view_state::{Tab, Theme, ViewState};
use crate::words::{explanation, quantity};

/// Silence after which the data is stale, in milliseconds; longer intervals allow more.
const STALE_MS: u128 = 2500;

/// Draws the process that is shown on the left, and the state of the connection on the right.
pub(super) fn draw_title(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    let health = shortened(health(model, state), usize::from(area.width / 2));
    let health_width = health.width() as u16;
    let mut spans = vec![Span::styled(" hakmem ", theme.badge), Span::raw(" ")];
    spans.extend(subject(model, state));
    let left = Rect { width: area.width.saturating_sub(health_width + 1), ..area };
    frame.render_widget(shortened(Line::from(spans), usize::from(left.width)), left);
    let right = Rect {
        x: area.x + area.width.saturating_sub(health_width),
        width: health_width.min(area.width),
        ..area
    };
    frame.render_widget(health, right);
}

fn subject<'a>(model: &'a Model, state: &ViewState) -> Vec<Span<'a>> {
    let theme = &state.theme;
    let mut spans = Vec::new();
    if let Some(phase) = model.program.as_ref().and_then(|it| it.phase.as_deref()) {
        spans.push(Span::styled("demo ", theme.accent));
        spans.push(Span::styled("phase ", theme.dim));
        spans.push(Span::styled(phase, theme.warn));
        spans.push(Span::styled(" · ", theme.faint));
    }
    match state.focused(model).filter(|_| !is_of_all(state.tab)) {
        Some(process) => spans.extend(process_words(process, theme)),
        None => {
            let count =
                |of: fn(&Process) -> bool| model.processes.values().filter(|it| of(it)).count();
            let (running, bad) = (count(Process::is_running), count(Process::has_ended_badly));
            let ended = model.processes.len() - running - bad;
            spans.push(Span::styled(format!("{running} running"), theme.text));
            if bad > 0 {
                spans.push(Span::styled(format!(" · {bad} crashed or killed"), theme.bad));
            }
            if ended > 0 {
                spans.push(Span::styled(format!(" · {ended} ended"), theme.dim));
            }
        }
    }
    // The program may have ended differently from the process shown, which may be its child.
    let shown = state.focused(model).filter(|_| !is_of_all(state.tab));
    let is_program = shown.is_some_and(|it| Some(it.key.as_str()) == model.program_key());
    if let Some(end) = model.program.as_ref().and_then(|it| it.end) {
        if is_program && matches!(end, ProgramEnd::Exited(_)) {
            return spans;
        }
        let (text, style) = match end {
            ProgramEnd::Exited(0) => ("exited 0".to_owned(), theme.good),
            ProgramEnd::Exited(code) => (format!("exited {code}"), theme.bad),
            ProgramEnd::Signalled(signal) => (format!("killed by signal {signal}"), theme.bad),
        };
        spans.push(Span::styled(" · ", theme.faint));
        spans.push(Span::styled(text, style));
    }
    spans
}

fn process_words<'a>(process: &'a Process, theme: &Theme) -> Vec<Span<'a>> {
    let age = match process.is_running() {
        true => format!(" {}", quantity::span_seconds(process.age_seconds() as u64)),
        false => match (process.exit_code, process.end_signal) {
            (Some(code), _) => format!(" {code}"),
            (None, Some(signal)) => format!(" by {}", explanation::signal_name(signal)),
            (None, None) => String::new(),
        },
    };
    let dot = || Span::styled(" · ", theme.faint);
    let mut spans = vec![
        Span::styled(process.name(), theme.accent),
        Span::styled(format!(" {}", process.identity.pid), theme.text),
        dot(),
        Span::styled(process.state.as_str(), state_style(process, theme)),
        Span::styled(age, theme.dim),
    ];
    let labels = process.labels();
    if !labels.is_empty() {
        spans.push(dot());
        spans.push(Span::styled(labels, theme.accent));
    }
    let identity = &process.identity;
    if !identity.routing.is_empty() {
        spans.push(dot());
        spans.push(Span::styled(identity.routing.as_str(), theme.text));
    }
    if !identity.push.is_empty() {
        spans.push(Span::styled(format!(" {}", identity.push), theme.text));
    }
    if !identity.check.is_empty() {
        spans.push(dot());
        spans.push(Span::styled(format!("check {}", identity.check), theme.dim));
    }
    spans
}

fn health(model: &Model, state: &ViewState) -> Line<'static> {
    let theme = &state.theme;
    if state.paused {
        return Line::styled("‖ paused ", theme.warn);
    }
    let mut spans = Vec::new();
    if model.skipped_updates() > 0 {
        spans.push(Span::styled(format!("{} skipped ", model.skipped_updates()), theme.dim));
    }
    let silent_ms = model.silent_for.as_millis();
    spans.push(match &model.connection {
        Connection::Connecting => Span::styled("○ connecting ", theme.warn),
        Connection::Lost { reason, attempts } => {
            Span::styled(format!("✗ no agent, attempt {attempts}: {reason} "), theme.bad)
        }
        Connection::Live if silent_ms > STALE_MS + u128::from(state.interval_ms) => {
            Span::styled(format!("✗ silent for {} s ", silent_ms / 1000), theme.bad)
        }
        Connection::Live => {
            // Updates cannot be faster than the agent's sampling.
            let agent_ms = model.agent.as_ref().map_or(0, |agent| agent.interval_ms);
            let interval_ms = state.interval_ms.max(agent_ms);
            Span::styled(format!("● {interval_ms} ms "), theme.good)
        }
    });
    Line::from(spans)
}

/// Draws the notice of a process that has just ended badly.
pub(super) fn draw_notice(frame: &mut Frame, area: Rect, model: &Model, theme: &Theme) {
    let mut announced = model.bad_ends.announced(model.watched_for);
    let Some(end) = announced.next() else { return };
    let mut text = format!(" ✗ {} {} {}", harmless(&end.name), end.pid, end.state);
    if let Some(signal) = end.signal {
        text.push_str(&format!(" by {}", explanation::signal_name(signal)));
    }
    let ago = quantity::span_seconds(model.watched_for.saturating_sub(end.at).as_secs());
    text.push_str(&format!(" {ago} ago"));
    let more = announced.count();
    if more > 0 {
        text.push_str(&format!(" · and {more} more"));
    }
    frame.render_widget(shortened(Line::styled(text, theme.bad), usize::from(area.width)), area);
}

/// Whether a tab shows all processes instead of the one in focus.
fn is_of_all(tab: Tab) -> bool {
    matches!(tab, Tab::Processes | Tab::Findings)
}

/// The texts of the tabs, from left to right; shorter ones if the width requires it.
fn tab_texts(width: u16, model: &Model, state: &ViewState) -> Vec<(Tab, String)> {
    let count = |tab| match tab {
        Tab::Processes => format!(" {}", state.processes(model).len()),
        Tab::Threads => {
            state.focused(model).map(|it| format!(" {}", it.threads().count())).unwrap_or_default()
        }
        Tab::Events => match state.focused(model).map_or(0, |it| events::lost(model, it)) {
            0 => String::new(),
            lost => format!(" {} lost", quantity::count(lost)),
        },
        Tab::Findings => match model.findings.ongoing() {
            0 => String::new(),
            ongoing => format!(" {ongoing}"),
        },
        Tab::Classes | Tab::Routing => String::new(),
    };
    let text =
        |tab: Tab, title: &str, count: &str| format!(" {} {title}{count} ", tab as usize + 1);
    let full = |tab: Tab| text(tab, tab.title(), &count(tab));
    // Counts are dropped first, except those that are alarms.
    let brief = |tab: Tab| match tab {
        Tab::Routing => text(tab, "C7", ""),
        Tab::Events | Tab::Findings => full(tab),
        Tab::Processes | Tab::Classes | Tab::Threads => text(tab, tab.title(), ""),
    };
    let texts = |of: &dyn Fn(Tab) -> String| Tab::ALL.map(|tab| (tab, of(tab))).to_vec();
    for texts in [texts(&full), texts(&brief)] {
        let needed: usize = texts.iter().map(|(_, text)| text.chars().count() + 1).sum();
        if needed <= usize::from(width) + 1 {
            return texts;
        }
    }
    let short = |tab: Tab| {
        if tab == state.tab {
            format!(" {} {} ", tab as usize + 1, tab.title())
        } else {
            format!(" {} ", tab as usize + 1)
        }
    };
    Tab::ALL.iter().map(|tab| (*tab, short(*tab))).collect()
}

/// Draws the tabs.
pub(super) fn draw_tabs(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    let mut spans = Vec::new();
    for (tab, text) in tab_texts(area.width, model, state) {
        let style = if tab == state.tab { theme.accent.patch(theme.selected) } else { theme.dim };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" "));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The tab at a column.
pub(super) fn tab_at(area: Rect, column: u16, model: &Model, state: &ViewState) -> Option<Tab> {
    let mut x = area.x;
    for (tab, text) in tab_texts(area.width, model, state) {
        let end = x + text.chars().count() as u16;
        if (x..end).contains(&column) {
            return Some(tab);
        }
        x = end + 1;
    }
    None
}

/// Draws the hints, or the filter.
pub(super) fn draw_footer(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    if state.editing_filter || !state.filter().is_empty() {
        let cursor = if state.editing_filter { "▏" } else { "" };
        let line = Line::from(vec![
            Span::styled(" filter / ", theme.accent),
            Span::styled(format!("{}{cursor}", state.filter()), theme.text),
            Span::styled("   Enter keeps  Esc clears", theme.dim),
        ]);
        frame.render_widget(line, area);
        return;
    }
    let mut hints = vec![("q", "quit"), ("?", "help")];
    match state.tab {
        Tab::Processes => {
            hints.extend([("Enter", "open"), ("s i", "sort"), ("/", "filter"), ("e", "ended")]);
        }
        Tab::Classes => {
            hints.extend([("j k", "class"), ("c", "rates/totals"), ("d", "diff"), ("Enter", "C7")])
        }
        Tab::Routing => hints.extend([("c", "rates/totals"), ("Esc", "processes")]),
        Tab::Threads | Tab::Events => hints.extend([("j k", "scroll"), ("/", "filter")]),
        Tab::Findings => hints.extend([("j k", "finding"), ("Enter", "process"), ("/", "filter")]),
    }
    hints.extend([("p", "pause"), ("+ -", "interval"), ("t", "theme")]);
    if model.program.as_ref().is_some_and(|it| it.phase.is_none()) {
        hints.insert(2, ("o", "output"));
    }
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for (key, meaning) in hints {
        let width = key.chars().count() + meaning.chars().count() + 3;
        if used + width > usize::from(area.width) + 2 {
            break;
        }
        used += width;
        spans.push(Span::styled(key, theme.accent));
        spans.push(Span::styled(format!(" {meaning}  "), theme.dim));
    }
    let shown = Line::from(spans);
    let room = usize::from(area.width).saturating_sub(shown.width() + 1);
    frame.render_widget(shown, area);
    let source = Line::styled(format!("{} ", model.endpoint), theme.faint);
    let width = source.width() as u16;
    if source.width() <= room {
        // A separate rectangle, because the style of a line covers its whole area.
        frame.render_widget(source, Rect { x: area.right() - width, width, ..area });
    }
}

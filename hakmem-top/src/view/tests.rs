use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::model::sample;
use crate::view_state::{INTERVAL_MS_DEFAULT, ThemeName};

fn state(tab: Tab) -> ViewState {
    ViewState::new(tab, INTERVAL_MS_DEFAULT, ThemeName::Mono)
}

/// What is on the screen, lines without their trailing blanks.
fn drawn(width: u16, height: u16, model: &Model, state: &ViewState) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let text: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        text.trim_end().to_owned()
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn look() {
    for tab in Tab::ALL {
        println!("{}\n=====", drawn(120, 36, &sample::model(), &state(tab)));
    }
    println!("{}\n=====", drawn(80, 24, &sample::model(), &state(Tab::Classes)));
    println!("{}\n=====", drawn(40, 10, &sample::model(), &state(Tab::Classes)));
}

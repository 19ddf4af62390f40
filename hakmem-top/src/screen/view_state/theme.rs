//! Colours. Views name the meaning of an item; a theme defines its style.

use ratatui::style::{Color, Modifier, Style};

/// The themes, in the order of the key that switches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThemeName {
    /// For dark terminals.
    Dark,
    /// For light terminals.
    Light,
    /// No colours, only bold, dim and reverse.
    Mono,
}

impl ThemeName {
    /// The theme after this one.
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Mono,
            Self::Mono => Self::Dark,
        }
    }
}

/// Styles by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The name of the theme.
    pub name: ThemeName,
    /// Ordinary text.
    pub text: Style,
    /// Text of less weight: units, explanations, zeros.
    pub dim: Style,
    /// Titles and active items.
    pub accent: Style,
    /// The name of this program, in the corner.
    pub badge: Style,
    /// Column titles.
    pub heading: Style,
    /// The selected row.
    pub selected: Style,
    /// The fast path, and everything that is well.
    pub good: Style,
    /// The slow path, and values that deserve attention.
    pub warn: Style,
    /// Loss, anomalies, crashes.
    pub bad: Style,
    /// The empty part of bars and the lines between sections.
    pub faint: Style,
}

impl Theme {
    /// The theme with this name.
    pub fn new(name: ThemeName) -> Self {
        match name {
            ThemeName::Dark => Self::coloured(name, &DARK),
            ThemeName::Light => Self::coloured(name, &LIGHT),
            ThemeName::Mono => Self::mono(),
        }
    }

    /// Bars and marks without a judgement.
    pub fn accent_bar(&self) -> Style {
        self.accent.remove_modifier(Modifier::BOLD)
    }

    fn coloured(name: ThemeName, palette: &Palette) -> Self {
        let colour = |index| Style::new().fg(Color::Indexed(index));
        Self {
            name,
            text: Style::new(),
            dim: colour(palette.dim),
            accent: colour(palette.accent).add_modifier(Modifier::BOLD),
            badge: Style::new()
                .fg(Color::Indexed(palette.badge_text))
                .bg(Color::Indexed(palette.accent))
                .add_modifier(Modifier::BOLD),
            heading: colour(palette.dim).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(Color::Indexed(palette.selected)),
            good: colour(palette.good),
            warn: colour(palette.warn),
            bad: colour(palette.bad).add_modifier(Modifier::BOLD),
            faint: colour(palette.faint),
        }
    }

    fn mono() -> Self {
        let plain = Style::new();
        Self {
            name: ThemeName::Mono,
            text: plain,
            dim: plain.add_modifier(Modifier::DIM),
            accent: plain.add_modifier(Modifier::BOLD),
            badge: plain.add_modifier(Modifier::REVERSED),
            heading: plain.add_modifier(Modifier::BOLD),
            selected: plain.add_modifier(Modifier::REVERSED),
            good: plain,
            warn: plain,
            bad: plain.add_modifier(Modifier::BOLD),
            faint: plain.add_modifier(Modifier::DIM),
        }
    }
}

/// Indices into the 256-colour palette, which every common terminal supports.
struct Palette {
    dim: u8,
    accent: u8,
    badge_text: u8,
    selected: u8,
    good: u8,
    warn: u8,
    bad: u8,
    faint: u8,
}

const DARK: Palette = Palette {
    dim: 245,
    accent: 80,
    badge_text: 232,
    selected: 237,
    good: 114,
    warn: 179,
    bad: 203,
    faint: 239,
};

const LIGHT: Palette = Palette {
    dim: 242,
    accent: 24,
    badge_text: 231,
    selected: 254,
    good: 28,
    warn: 130,
    bad: 160,
    faint: 250,
};

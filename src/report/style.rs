//! How text is shown: the choices a caller makes, and the few looks there are.
//!
//! Owns colours. Refuses to find out whether they are wanted, and to let anything be told by colour alone.

use anstyle::{AnsiColor, Style as Look};

use crate::plan::Action;

/// How much is shown, and whether in colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences for colours may be written.
    pub color: bool,
    /// Everything is listed: tags with nothing to do, full digests, platforms by name.
    pub verbose: bool,
}

impl Style {
    /// `text` in a look, or as it is where colours are off.
    pub(super) fn paint(self, look: Look, text: &str) -> String {
        if self.color && !text.is_empty() && look != PLAIN { format!("{look}{text}{look:#}") } else { text.to_owned() }
    }
}

pub(super) const PLAIN: Look = Look::new();
pub(super) const STRONG: Look = Look::new().bold();
pub(super) const FAINT: Look = Look::new().dimmed();
pub(super) const NAME: Look = AnsiColor::Cyan.on_default();
pub(super) const GOOD: Look = AnsiColor::Green.on_default();
pub(super) const CAUTION: Look = AnsiColor::Yellow.on_default();
pub(super) const BAD: Look = AnsiColor::Red.on_default();

/// The look of an action.
pub(super) fn look(action: Action) -> Look {
    match action {
        Action::Copy => GOOD,
        Action::Update => CAUTION,
        Action::Skip => FAINT,
        Action::Blocked | Action::Error => BAD,
    }
}

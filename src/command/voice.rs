//! Who tells the user how a run goes: nobody, lines, or bars.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Reporter, Silent};
use crate::report::progress::{Bars, Heartbeat, Plain};

/// A sign of life at least this often where no bars move.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The reporter of a run, and what it needs to be put away.
pub(super) struct Voice {
    reporter: Arc<dyn Reporter>,
    bars: Option<Arc<Bars>>,
    lines: Option<Arc<Plain>>,
    _heartbeat: Option<Heartbeat>,
}

impl Voice {
    /// Says nothing while the run lasts.
    pub(super) fn silent() -> Self {
        Self { reporter: Arc::new(Silent), bars: None, lines: None, _heartbeat: None }
    }

    /// Says a line on stderr for each thing of note, and for each retry where it is to be `verbose`.
    pub(super) fn lines(verbose: bool) -> Self {
        let plain = Arc::new(Plain::new(Box::new(io::stderr()), verbose));
        let heartbeat = Heartbeat::start(Arc::clone(&plain), HEARTBEAT);
        Self { reporter: Arc::clone(&plain) as _, bars: None, lines: Some(plain), _heartbeat: Some(heartbeat) }
    }

    /// Draws bars on the terminal behind stderr.
    pub(super) fn bars(verbose: bool) -> Self {
        let bars = Arc::new(Bars::stderr(verbose));
        Self { reporter: Arc::clone(&bars) as _, bars: Some(bars), lines: None, _heartbeat: None }
    }

    /// The reporter, to hand on.
    pub(super) fn reporter(&self) -> Arc<dyn Reporter> {
        Arc::clone(&self.reporter)
    }

    /// Ends a stage: says what is left to say of it, and takes away what is drawn, so that the standard output stands alone.
    pub(super) fn clear(&self) {
        if let Some(bars) = &self.bars {
            bars.clear();
        }
        if let Some(lines) = &self.lines {
            lines.close();
        }
    }
}

//! What every stage needs at hand.

use base::{Cancel, Events};
use store::{Project, Store};

/// One run of the command: the store, whose project it is for, where events go, and when to stop.
#[derive(Clone, Debug)]
pub struct Session {
    /// The content-addressed store.
    pub store: Store,
    /// The project (the spec's folder) on whose behalf artifacts are made and kept.
    pub project: Project,
    /// Where events go.
    pub events: Events,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
    /// Use the store alone; ask no server.
    pub offline: bool,
}

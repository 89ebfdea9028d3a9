//! What every stage needs at hand.

use std::path::Path;

use base::{Cancel, Events, Result};
use store::{Artifact, Inputs, Known, Project, Store};

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

impl Session {
    /// The same run for one part of its work, which is stopped by `cancel`.
    pub fn part(&self, cancel: &Cancel) -> Session {
        Session { cancel: cancel.clone(), ..self.clone() }
    }

    /// The artifact with these inputs, from the store or built now ([`Store::realize`]).
    ///
    /// # Errors
    /// Those of `build`.
    pub fn realize<B: Into<Known>>(
        &self,
        name: &str,
        inputs: &Inputs,
        build: impl FnOnce(&Path) -> Result<B>,
    ) -> Result<Artifact> {
        self.store.realize(name, inputs, &self.project, &self.events, &self.cancel, build)
    }
}

//! A distribution's root file system under any kernel: what the upper rungs of the ladder start.

use std::path::{Path, PathBuf};

use base::{Error, Result};

use super::image::{self, DiskImage};
use super::plan::{self, Options, Plan};
use super::root::Root;
use super::{Origin, require_tools};
use crate::build::Kernel;
use crate::session::Session;
use crate::spec::SpecFile;

/// A root file system that waits for a kernel.
#[derive(Debug)]
pub(crate) struct BaseDisk {
    plan: Plan,
    root: Root,
}

/// A disk image with a kernel on it.
#[derive(Clone, Debug)]
pub(crate) struct WholeDisk(DiskImage);

impl BaseDisk {
    /// Makes what is missing, as the spec's `[disk]` says.
    ///
    /// # Errors
    /// As [`super::make`].
    pub fn make(session: &Session, spec: &SpecFile) -> Result<BaseDisk> {
        let options = Options::default();
        let plan = plan::plan(spec, &options, &session.cancel)?;
        require_tools(spec, &plan, &options, &session.cancel)?;
        let root = Origin::of(session, spec, &plan, None, options.update)?.make(session, spec, &plan)?.root;
        Ok(BaseDisk { plan, root })
    }

    /// The word for the kernel's command line: "root=PARTUUID=…".
    pub fn root_word(&self) -> String {
        self.plan.root_word()
    }

    /// The private key that opens root's account.
    ///
    /// # Errors
    /// Only its owner knows it.
    pub fn key(&self) -> Result<&Path> {
        self.plan.decisions.ssh_key.as_deref().ok_or_else(|| {
            Error::input("the private key of the spec's authorized_keys is not known")
                .note("the proofs of the upper rungs log in over SSH")
                .hint("leave [accounts] authorized_keys out, or name a .pub file whose private key lies beside it")
        })
    }

    /// The disk with this kernel on it: GRUB starts it by a BIOS, and UEFI firmware does by itself.
    ///
    /// # Errors
    /// GRUB is not on this host; the kernel does not fit.
    pub fn with(&self, session: &Session, kernel: &Kernel, version: &str) -> Result<WholeDisk> {
        image::assemble(session, &self.plan, kernel, version, &self.root).map(WholeDisk)
    }
}

impl WholeDisk {
    /// The raw image.
    pub fn path(&self) -> PathBuf {
        self.0.path.clone()
    }
}

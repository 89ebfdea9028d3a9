//! Being root without being root: in a user name space of one's own an ordinary user makes files of any owner.

use std::time::Duration;

use base::process::Program;
use base::{Cancel, Error, Result};

/// Setting up a name space takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// Whether we are root already.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `program` as root, or as the root of a user name space with all the users of ours in /etc/subuid (unshare(1), --map-auto).
pub fn program(program: &str) -> Program {
    match is_root() {
        true => Program::new(program),
        false => Program::new("unshare").args(["--user", "--map-root-user", "--map-auto", "--", program]),
    }
}

/// Fails where [`program`] would not work.
///
/// # Errors
/// [`base::Kind::Host`], with what to do about it.
pub fn require(cancel: &Cancel) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let captured = program("true").capture(LIMIT, cancel)?;
    if captured.status.success() {
        return Ok(());
    }
    Err(Error::host("this host does not let an ordinary user make files of other owners")
        .note(captured.stderr.trim())
        .note("needed: user name spaces, newuidmap (package uidmap), and ranges for this user in /etc/subuid and /etc/subgid")
        .hint("as root, once: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER")
        .hint("or run this command as root"))
}

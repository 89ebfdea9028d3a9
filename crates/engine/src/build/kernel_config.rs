//! A kernel's configuration: resolved by our own engine, then put before the tree's own tool, which must find nothing to
//! change.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base::{Context, Error, Result};
use kconfig::{Dialect, Model};

use super::kernel_source::KernelSource;
use super::toolchain::Toolchain;
use crate::kconfig_host::{Environment, LiveHost, Stdio, Tree, run_conf, tree_host};
use crate::rung::Requests;
use crate::session::Session;

/// The architecture of every kernel built here, as plain `make` takes it on such a machine. With "x86_64" 64BIT would have no
/// prompt; so it is an option like the others, and the ladder begins below it.
pub const ARCH: &str = "x86";
/// The file of an object tree that holds what was asked for.
pub const FRAGMENT: &str = "allno.fragment";
/// How many changed lines an error shows.
const SHOWN: usize = 10;

/// Writes `.config` into `objects`: allnoconfig with the requests, as KCONFIG_ALLCONFIG gives them.
///
/// # Errors
/// What `conf` says, with its lines; a tree that is no kernel.
pub fn resolve(
    session: &Session,
    source: &KernelSource,
    requests: &Requests,
    toolchain: &Toolchain,
    objects: &Path,
) -> Result<()> {
    let fragment = objects.join(FRAGMENT);
    std::fs::write(&fragment, requests.fragment())
        .context(|| format!("cannot write {}", fragment.display()))?;
    let host = host(session, source, toolchain, objects)?;
    let mut environment = host.variables().clone();
    environment.set("KCONFIG_ALLCONFIG", &fragment);
    conf("--allnoconfig", session, objects, environment)
}

/// Writes what make reads of `.config` (include/config, include/generated/autoconf.h) into `objects`: `make syncconfig`, by our
/// engine. Only the stamps of symbols that changed get a new time.
///
/// # Errors
/// What `conf` says, with its lines; a tree that is no kernel.
pub fn synchronize(
    session: &Session,
    source: &KernelSource,
    toolchain: &Toolchain,
    objects: &Path,
) -> Result<()> {
    let environment = host(session, source, toolchain, objects)?.variables().clone();
    conf("--syncconfig", session, objects, environment)
}

fn conf(mode: &str, session: &Session, objects: &Path, environment: Environment) -> Result<()> {
    let said = Said::default();
    let arguments = ["conf", "-s", mode, "Kconfig"].map(String::from);
    let cache = cache(session);
    let code = run_conf(&arguments, objects, environment, Some(&cache), said.stdio(), &session.cancel)
        .context(|| "cannot resolve the kernel's configuration".into())?;
    match code {
        0 => Ok(()),
        _ => Err(Error::failed("the kernel's configuration failed").output(said.lines())),
    }
}

/// The outside world of this kernel's Kconfig files, as make would run `conf` in `objects`.
///
/// # Errors
/// A tree that is no kernel; no such folder.
pub fn host(
    session: &Session,
    source: &KernelSource,
    toolchain: &Toolchain,
    objects: &Path,
) -> Result<LiveHost> {
    let compiler = ["CC", "HOSTCC"].map(|name| (name.to_string(), toolchain.command().to_string()));
    let tree = Tree { source: &source.tree, objects, arch: ARCH, variables: &compiler };
    let mut base = Environment::default();
    for name in ["PATH", "CCACHE_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            base.set(name, value);
        }
    }
    base.set("HOME", objects);
    tree_host(&tree, base, Some(&cache(session)), &session.cancel)
}

/// Reads the Kconfig files of a kernel of this version. Must run on a deep stack.
///
/// # Errors
/// They cannot be read: [`base::Kind::Input`], with what was expected.
pub fn read(host: &LiveHost, version: &str) -> Result<Model> {
    let dialect = Dialect::from_version(version).unwrap_or(Dialect::NEWEST);
    let loaded = kconfig::load("Kconfig", dialect, host).map_err(|error| {
        let said = error.to_string();
        let lines = said.lines().chain(error.expected.iter().map(String::as_str));
        Error::input(format!("the Kconfig files of {version} cannot be read")).output(lines.map(String::from))
    })?;
    Ok(loaded.model)
}

/// Where the answers of shell commands are kept.
pub fn cache(session: &Session) -> PathBuf {
    session.store.root().join("caches/kconfig")
}

/// Compares the `.config` the engine made with what the tree's own tool made of it.
///
/// # Errors
/// They differ: a fault of ours ([`base::Kind::Failed`]), with the lines.
pub fn compare(ours: &str, theirs: &str) -> Result<()> {
    if ours == theirs {
        return Ok(());
    }
    let only = |in_this: &str, not_in: &str, sign: &str| -> Vec<String> {
        let other: std::collections::HashSet<&str> = not_in.lines().collect();
        let lines = in_this.lines().filter(|line| !other.contains(line));
        lines.take(SHOWN).map(|line| format!("{sign}{line}")).collect()
    };
    let mut lines = only(ours, theirs, "-");
    lines.extend(only(theirs, ours, "+"));
    Err(Error::failed("make olddefconfig of this kernel would change the configuration allno resolved")
        .output(lines)
        .note("the two must agree to the last line: this is a fault of allno"))
}

/// What `conf` says, kept for an error.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn stdio(&self) -> Stdio {
        Stdio {
            input: Box::new(io::empty()),
            output: Box::new(self.clone()),
            errors: Box::new(self.clone()),
            input_is_terminal: false,
            output_is_terminal: false,
        }
    }

    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().map(String::from).collect()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        compare("CONFIG_A=y\n", "CONFIG_A=y\n").unwrap();
        let error = compare("CONFIG_A=y\nCONFIG_B=y\n", "CONFIG_A=y\n# CONFIG_B is not set\n").unwrap_err();
        assert_eq!(error.output_lines(), ["-CONFIG_B=y", "+# CONFIG_B is not set"]);
    }
}

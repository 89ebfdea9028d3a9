//! The machine's compiler, as far as it decides what comes out of a build.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::process::{self, Program};
use base::{Cancel, Error, Result};
use store::Cache;

use crate::session::Session;

const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The compiler, the linker and the compiler cache.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// "gcc (Debian 12.2.0-14) 12.2.0, x86_64-linux-gnu"
    pub compiler: String,
    /// "GNU ld (GNU Binutils for Debian) 2.40"
    pub linker: String,
    /// The compiler cache, when ccache is present and not switched off by CCACHE_DISABLE.
    pub ccache: Option<CompilerCache>,
    /// How many jobs make may run.
    pub jobs: usize,
}

/// Where ccache keeps what it knows.
#[derive(Clone, Debug)]
pub struct CompilerCache {
    /// The folder: CCACHE_DIR, else one in the store, so that gc counts it.
    pub folder: PathBuf,
    _held: Option<Arc<Cache>>,
}

impl Toolchain {
    /// Asks gcc and ld who they are.
    ///
    /// # Errors
    /// One of them is missing: [`base::Kind::Host`].
    pub fn find(session: &Session) -> Result<Toolchain> {
        let cancel = &session.cancel;
        let present = process::find("ccache").filter(|_| std::env::var_os("CCACHE_DISABLE").is_none());
        let ccache = present.map(|_| CompilerCache::of(session)).transpose()?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let version = |name| first_line(Program::new(name).args(["--version"]), cancel);
        let (compiler, linker) = std::thread::scope(|scope| {
            let linker = scope.spawn(|| version("ld"));
            let panicked = |_| Err(Error::failed("asking ld for its version panicked"));
            (version("gcc"), linker.join().unwrap_or_else(panicked))
        });
        Ok(Toolchain { compiler: compiler?, linker: linker?, ccache, jobs })
    }

    /// What the variable COMPILER of a recipe and CC of a kernel hold: "gcc" or "ccache gcc".
    pub fn command(&self) -> &'static str {
        if self.ccache.is_some() { "ccache gcc" } else { "gcc" }
    }
}

impl CompilerCache {
    fn of(session: &Session) -> Result<CompilerCache> {
        if let Some(folder) = std::env::var_os("CCACHE_DIR") {
            return Ok(CompilerCache { folder: folder.into(), _held: None });
        }
        let Session { store, project, events, cancel, .. } = session;
        let cache = store.cache("ccache", project, events, cancel)?;
        Ok(CompilerCache { folder: cache.path.clone(), _held: Some(Arc::new(cache)) })
    }
}

fn first_line(program: Program, cancel: &Cancel) -> Result<String> {
    let captured = program.capture(VERSION_LIMIT, cancel)?;
    match captured.stdout.lines().next() {
        Some(line) if captured.status.success() && !line.trim().is_empty() => Ok(line.trim().to_string()),
        _ => Err(Error::host(format!("{} does not say its version", program.name().to_string_lossy()))
            .note(format!("command: {}", program.shell_line()))
            .note(captured.stderr.trim().to_string())
            .hint("allno doctor --install")),
    }
}

/// The environment every build step starts from: nothing of the person's but the compiler cache's settings. Paths below
/// `base` are made relative for the cache, so that an object is found again wherever that folder lies. Not for a kernel:
/// its -fmacro-prefix-map knows only the absolute path, and `__FILE__` would differ from that of a build without a cache.
pub fn clean(program: Program, toolchain: &Toolchain, base: Option<&Path>) -> Program {
    let mut program = program.clean_environment().env("LC_ALL", "C").env("TZ", "UTC");
    if let Some(cache) = &toolchain.ccache {
        program = program
            .env("CCACHE_DIR", &cache.folder)
            .env("CCACHE_NOHASHDIR", "1")
            // The date of musl's specs file is that of its copy; what counts is what the compiler's files hold.
            .env("CCACHE_COMPILERCHECK", "content");
        if let Some(base) = base {
            program = program.env("CCACHE_BASEDIR", base);
        }
        for name in ["CCACHE_MAXSIZE", "CCACHE_REMOTE_STORAGE", "CCACHE_CONFIGPATH"] {
            if let Some(value) = std::env::var_os(name) {
                program = program.env(name, value);
            }
        }
    }
    program
}

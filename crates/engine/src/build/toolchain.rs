//! The machine's compiler, as far as it decides what comes out of a build.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::process::{self, Program};
use base::{Context, Result};
use store::Cache;

use super::version;
use crate::session::Session;

/// What stands before ccache when a kernel is built, and by which variable it knows the real one.
const BEFORE_CCACHE: &str = include_str!("ccache.sh");
const REAL_CCACHE: &str = "ALLNO_CCACHE";
/// Where it stands in an object tree; kbuild looks at no such folder.
const PROGRAMS: &str = ".allno-programs";

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
    program: PathBuf,
    _held: Option<Arc<Cache>>,
}

impl Toolchain {
    /// Finds out who gcc and ld are.
    ///
    /// # Errors
    /// One of them is missing: [`base::Kind::Host`].
    pub fn find(session: &Session) -> Result<Toolchain> {
        let [compiler, linker] = version::versions(&session.store, &session.cancel)?;
        let present = process::find("ccache").filter(|_| std::env::var_os("CCACHE_DISABLE").is_none());
        let ccache = present.map(|program| CompilerCache::of(session, program)).transpose()?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Toolchain { compiler, linker, ccache, jobs })
    }

    /// What the variable COMPILER of a recipe and CC of a kernel hold: "gcc" or "ccache gcc".
    pub fn command(&self) -> &'static str {
        if self.ccache.is_some() { "ccache gcc" } else { "gcc" }
    }
}

impl CompilerCache {
    fn of(session: &Session, program: PathBuf) -> Result<CompilerCache> {
        let Session { store, project, events, cancel, .. } = session;
        if let Some(folder) = std::env::var_os("CCACHE_DIR") {
            return Ok(CompilerCache { folder: folder.into(), program, _held: None });
        }
        let cache = store.cache("ccache", project, events, cancel)?;
        Ok(CompilerCache { folder: cache.path.clone(), program, _held: Some(Arc::new(cache)) })
    }

    /// `program`, which builds in the object tree `objects`, with a PATH of `path` on which ccache is one that does not preprocess
    /// what kbuild lists by itself. Only for a kernel none of whose headers has the assembler read a file: no list names that
    /// file, and another object would be found.
    ///
    /// # Errors
    /// The object tree cannot be written to, or its path cannot be part of PATH.
    pub fn by_lists(&self, program: Program, path: OsString, objects: &Path) -> Result<Program> {
        let folder = objects.join(PROGRAMS);
        let script = folder.join("ccache");
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&script, BEFORE_CCACHE))
            .and_then(|()| std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)))
            .context(|| format!("cannot write {}", script.display()))?;
        Ok(program.env("PATH", process::path_with(folder, &path)?).env(REAL_CCACHE, &self.program))
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

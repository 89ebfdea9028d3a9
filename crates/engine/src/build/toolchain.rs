//! The machine's compiler, as far as it decides what comes out of a build.

use std::path::PathBuf;
use std::time::Duration;

use base::process::{self, Program};
use base::{Cancel, Error, Result};

const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The compiler, the linker and the compiler cache.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// "gcc (Debian 12.2.0-14) 12.2.0, x86_64-linux-gnu"
    pub compiler: String,
    /// "GNU ld (GNU Binutils for Debian) 2.40"
    pub linker: String,
    /// Where ccache is, when it is present and not switched off by CCACHE_DISABLE.
    pub ccache: Option<PathBuf>,
    /// How many jobs make may run.
    pub jobs: usize,
}

impl Toolchain {
    /// Asks gcc and ld who they are.
    ///
    /// # Errors
    /// One of them is missing: [`base::Kind::Host`].
    pub fn find(cancel: &Cancel) -> Result<Toolchain> {
        let ccache = process::find("ccache").filter(|_| std::env::var_os("CCACHE_DISABLE").is_none());
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let compiler = first_line(Program::new("gcc").args(["--version"]), cancel)?;
        let linker = first_line(Program::new("ld").args(["--version"]), cancel)?;
        Ok(Toolchain { compiler, linker, ccache, jobs })
    }

    /// What the variable COMPILER of a recipe and CC of a kernel hold: "gcc" or "ccache gcc".
    pub fn command(&self) -> &'static str {
        if self.ccache.is_some() { "ccache gcc" } else { "gcc" }
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

/// The environment every build step starts from: nothing of the person's but PATH and the compiler cache's settings.
pub fn clean(program: Program, toolchain: &Toolchain, cache: &std::path::Path, base: &std::path::Path) -> Program {
    let mut program = program.clean_environment().env("LC_ALL", "C").env("TZ", "UTC");
    if toolchain.ccache.is_some() {
        let set = |name: &str| std::env::var_os(name);
        program = program
            .env("CCACHE_DIR", set("CCACHE_DIR").unwrap_or_else(|| cache.into()))
            .env("CCACHE_BASEDIR", base)
            .env("CCACHE_NOHASHDIR", "1");
        for name in ["CCACHE_MAXSIZE", "CCACHE_REMOTE_STORAGE", "CCACHE_CONFIGPATH"] {
            if let Some(value) = set(name) {
                program = program.env(name, value);
            }
        }
    }
    program
}

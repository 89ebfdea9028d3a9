//! The referee: `conf` built from the tree's own source, outside the tree, and the same with one reading of the Kconfig
//! files for many runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{Program, find};
use base::{Cancel, Context, Error, Result};

use super::tree::Tree;

const LIMIT: Duration = Duration::from_secs(300);
const MANY: &str = include_str!("many.c");
/// What `conf` is linked from beside conf.c: common-objs of scripts/kconfig/Makefile.
const SOURCES: [&str; 8] =
    ["confdata.c", "expr.c", "lexer.lex.c", "menu.c", "parser.tab.c", "preprocess.c", "symbol.c", "util.c"];

/// The C tool, ready to run.
pub struct Referee {
    /// `conf`.
    pub conf: PathBuf,
    /// The program of many.c.
    pub many: PathBuf,
}

impl Referee {
    /// Builds both programs for `tree` in `folder`, unless they are there.
    ///
    /// # Errors
    /// bison, flex or the compiler is not there, or fails.
    pub fn build(tree: &Tree, folder: &Path, cancel: &Cancel) -> Result<Referee> {
        let (conf, many) = (folder.join("conf"), folder.join("many"));
        let source = folder.join("kconfig/many.c");
        let is_built = conf.is_file() && many.is_file();
        if is_built && std::fs::read_to_string(&source).is_ok_and(|text| text == MANY) {
            return Ok(Referee { conf, many });
        }
        require()?;
        // So that a build that is interrupted is none.
        let _ = std::fs::remove_file(&many);
        copy(&tree.path.join("scripts/kconfig"), &folder.join("kconfig"))?;
        let include = tree.path.join("scripts/include");
        if include.is_dir() {
            copy(&include, &folder.join("include"))?;
        }
        std::fs::write(&source, MANY).context(|| format!("cannot write {}", source.display()))?;
        build(folder, cancel)?;
        Ok(Referee { conf, many })
    }
}

fn require() -> Result<()> {
    match ["bison", "flex", "cc"].iter().find(|program| find(program).is_none()) {
        None => Ok(()),
        Some(absent) => Err(Error::host(format!("{absent} is not on this machine"))
            .note("the kernel's own conf, the referee, is built with it")
            .hint("allno doctor --install")),
    }
}

/// The commands of scripts/Makefile.host and KBUILD_HOSTCFLAGS; the programs get their places last, when they are whole.
fn build(folder: &Path, cancel: &Cancel) -> Result<()> {
    let inside = folder.join("kconfig");
    let run = |program: &str, arguments: &str| {
        run(Program::new(program).args(arguments.split_whitespace()).directory(&inside), cancel)
    };
    let flags = "-O2 -fomit-frame-pointer -std=gnu11 -I. -I../include";
    run("flex", "-olexer.lex.c -L lexer.l")?;
    run("bison", "-o parser.tab.c --defines=parser.tab.h -t -l parser.y")?;
    for source in SOURCES {
        run("cc", &format!("{flags} -c {source}"))?;
    }
    let objects = SOURCES.map(|source| source.replace(".c", ".o")).join(" ");
    run("cc", &format!("{flags} -o conf conf.c {objects}"))?;
    run("cc", &format!("{flags} -Dmain=conf_main -c -o renamed.o conf.c"))?;
    run("cc", &format!("{flags} -Wl,--wrap=conf_parse -o many many.c renamed.o {objects}"))?;
    for name in ["conf", "many"] {
        let to = folder.join(name);
        std::fs::rename(inside.join(name), &to).context(|| format!("cannot make {}", to.display()))?;
    }
    Ok(())
}

fn run(program: Program, cancel: &Cancel) -> Result<()> {
    let captured = program.capture(LIMIT, cancel)?;
    if captured.status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("{} failed", program.name().to_string_lossy()))
        .note(format!("command: {}", program.shell_line()))
        .output(captured.stderr.lines().map(String::from)))
}

/// Copies the files of one folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to).context(cannot)?;
    for entry in std::fs::read_dir(from).context(cannot)? {
        let entry = entry.context(cannot)?;
        if entry.file_type().context(cannot)?.is_file() {
            let content = std::fs::read(entry.path()).context(cannot)?;
            std::fs::write(to.join(entry.file_name()), content).context(cannot)?;
        }
    }
    Ok(())
}

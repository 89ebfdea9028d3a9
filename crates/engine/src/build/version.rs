//! Which compiler and linker these are. To ask them takes milliseconds that an edit's boot has few of, so their answers are kept
//! in the store's folder for as long as their files are the same.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{self, Program};
use base::{Cancel, Error, Result};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::note;

const LIMIT: Duration = Duration::from_secs(10);
/// The compiler, and the linker.
const TOOLS: [&str; 2] = ["gcc", "ld"];
/// The note's name in the store's folder.
const FILE: &str = "tools.json";
/// How an ELF file begins (elf(5), `e_ident`).
const ELF: [u8; 4] = *b"\x7fELF";

/// Answers, and the files that gave them.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    files: [ProgramFile; 2],
    answers: [String; 2],
}

/// A program's file, by what changes when it is replaced or written to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ProgramFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    /// The time of its last change, in seconds since 1970 and nanoseconds; no program can set it back (stat(2), `st_ctim`).
    changed: (i64, i64),
}

/// The first lines of what `gcc --version` and `ld --version` print.
///
/// # Errors
/// One of them is missing or does not answer: [`base::Kind::Host`].
pub(super) fn versions(store: &Store, cancel: &Cancel) -> Result<[String; 2]> {
    let [gcc, ld] = TOOLS.map(|tool| ProgramFile::of(tool, &process::find(tool)?));
    let files = gcc.zip(ld).map(|(gcc, ld)| [gcc, ld]);
    remembered(store, files, || ask(cancel))
}

/// The answers that these files gave before, else those of `ask`, which are kept.
fn remembered(
    store: &Store,
    files: Option<[ProgramFile; 2]>,
    ask: impl FnOnce() -> Result<[String; 2]>,
) -> Result<[String; 2]> {
    let Some(files) = files else { return ask() };
    if let Some(note) = note::read(store, FILE).filter(|note: &Note| note.files == files) {
        return Ok(note.answers);
    }
    let note = Note { files, answers: ask()? };
    note::keep(store, FILE, &note);
    Ok(note.answers)
}

fn ask(cancel: &Cancel) -> Result<[String; 2]> {
    std::thread::scope(|scope| {
        let asked = TOOLS.map(|tool| scope.spawn(move || first_line(tool, cancel)));
        let panicked = |_| Err(Error::failed("asking a tool for its version panicked"));
        let [gcc, ld] = asked.map(|answer| answer.join().unwrap_or_else(panicked));
        Ok([gcc?, ld?])
    })
}

fn first_line(tool: &str, cancel: &Cancel) -> Result<String> {
    let program = Program::new(tool).args(["--version"]);
    let captured = program.capture(LIMIT, cancel)?;
    match captured.stdout.lines().next() {
        Some(line) if captured.status.success() && !line.trim().is_empty() => Ok(line.trim().to_string()),
        _ => Err(Error::host(format!("{tool} does not say its version"))
            .note(format!("command: {}", program.shell_line()))
            .note(captured.stderr.trim().to_string())
            .hint("allno doctor --install")),
    }
}

impl ProgramFile {
    /// The file of `tool`, found at `path`; none where it may answer for another program, which can change without it: a script, or
    /// something else in the tool's place (ccache).
    fn of(tool: &str, path: &Path) -> Option<ProgramFile> {
        let path = std::fs::canonicalize(path).ok()?;
        if !path.file_name()?.to_str()?.contains(tool) {
            return None;
        }
        let mut file = File::open(&path).ok()?;
        let mut head = [0; ELF.len()];
        file.read_exact(&mut head).ok()?;
        let metadata = file.metadata().ok()?;
        (head == ELF).then(|| ProgramFile {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_again_until_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cross-gcc-12");
        let write = |tail: &str| std::fs::write(&path, [&ELF[..], tail.as_bytes()].concat()).unwrap();
        write("a compiler");
        let link = folder.path().join("gcc");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let first = ProgramFile::of("gcc", &link).unwrap();
        assert_eq!(ProgramFile::of("gcc", &link).unwrap(), first);
        write("another compiler");
        assert_ne!(ProgramFile::of("gcc", &link).unwrap(), first);
    }

    #[test]
    fn what_may_answer_for_another_program_is_asked_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("gcc"), "#!/bin/sh\nexec cross-gcc \"$@\"\n").unwrap();
        assert_eq!(ProgramFile::of("gcc", &path("gcc")), None);
        std::fs::write(path("ccache"), [&ELF[..], b"a cache"].concat()).unwrap();
        std::os::unix::fs::symlink(path("ccache"), path("ld")).unwrap();
        assert_eq!(ProgramFile::of("ld", &path("ld")), None);
        assert_eq!(ProgramFile::of("ld", &path("nothing")), None);
    }

    #[test]
    fn the_answers_are_kept_until_a_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |tail: &str| {
            let text = [&ELF[..], tail.as_bytes()].concat();
            TOOLS.iter().for_each(|tool| std::fs::write(path(tool), &text).unwrap());
        };
        let files = || Some(TOOLS.map(|tool| ProgramFile::of(tool, &path(tool)).unwrap()));
        let answered = |files, text: &str| {
            let ask = || Ok([text.to_string(), text.to_string()]);
            remembered(&store, files, ask).unwrap()[0].clone()
        };
        write("tools");
        assert_eq!(answered(None, "nobody's"), "nobody's");
        assert_eq!(answered(files(), "first"), "first");
        assert_eq!(answered(files(), "not asked"), "first");
        write("other tools");
        assert_eq!(answered(files(), "second"), "second");
    }

    #[test]
    fn the_tools_of_this_machine_answer() {
        let [gcc, ld] = ask(&Cancel::new()).unwrap();
        assert!(gcc.contains("gcc") && ld.contains("ld"), "{gcc}, {ld}");
    }
}

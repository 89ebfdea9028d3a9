//! The question that Kconfig files ask most: does the compiler take this option? `cc-option` of scripts/Kconfig.include is a line
//! for a shell that makes a folder, runs the compiler once and removes the folder. Here only the compiler is started.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the line begins and goes on with, around the compiler's words.
const BEFORE: &str = "{ trap \"rm -rf .tmp_$$\" EXIT; mkdir .tmp_$$; ";
const AFTER: &str = " -c -x c /dev/null -o .tmp_$$/tmp.o; } >/dev/null 2>&1 && echo \"";

/// A compiler to start, and what its two ends mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompilerProbe {
    /// The compiler and its options.
    pub words: Vec<String>,
    /// What is printed if it ends well.
    pub yes: String,
    /// What is printed if it does not.
    pub no: String,
}

impl CompilerProbe {
    /// The probe that this command is. Only words that no shell changes are taken, and a compiler by a name that no word of the
    /// shell's own has: all else is a shell's business.
    pub fn of(command: &str) -> Option<CompilerProbe> {
        let (compiler, rest) = command.strip_prefix(BEFORE)?.split_once(AFTER)?;
        let (yes, rest) = rest.split_once("\" || echo \"")?;
        let no = rest.strip_suffix('"')?;
        let words: Vec<String> =
            compiler.split(' ').filter(|word| !word.is_empty()).map(String::from).collect();
        let name = words.first()?.rsplit('/').next()?;
        let is_compiler = (name.contains("cc") || name.contains("clang")) && !name.contains('=');
        let plain = words.iter().all(|word| word.bytes().all(is_plain));
        let letter = |word: &str| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_compiler && plain && letter(yes) && letter(no)).then(|| CompilerProbe {
            words,
            yes: format!("{yes}\n"),
            no: format!("{no}\n"),
        })
    }
}

/// A byte that means itself in an unquoted word, wherever it stands; `~` and `#` do not at a word's beginning.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b',' | b'/' | b':' | b'+' | b'=' | b'@' | b'%')
}

/// A folder for the compiler's object, gone at the end. Where none can be made the compiler finds none, as under the shell.
pub(super) struct ProbeFolder(PathBuf);

impl ProbeFolder {
    /// A new one in `folder`; the name is that of the shell's, and one more part.
    pub fn new(folder: &Path) -> ProbeFolder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".tmp_{}_{number}", std::process::id()));
        let _ = std::fs::create_dir(&path);
        ProbeFolder(path)
    }

    /// Where the object goes.
    pub fn object(&self) -> PathBuf {
        self.0.join("tmp.o")
    }
}

impl Drop for ProbeFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cc_option(compiler: &str) -> String {
        format!("{BEFORE}{compiler}{AFTER}y\" || echo \"n\"")
    }

    #[test]
    fn the_kernels_line_is_known() {
        let line = "{ trap \"rm -rf .tmp_$$\" EXIT; mkdir .tmp_$$; gcc -Werror  -m64 -mfentry -c -x c /dev/null -o .tmp_$$/tmp.o; } \
                    >/dev/null 2>&1 && echo \"y\" || echo \"n\"";
        let probe = CompilerProbe::of(line).unwrap();
        assert_eq!(probe.words, ["gcc", "-Werror", "-m64", "-mfentry"]);
        assert_eq!((&*probe.yes, &*probe.no), ("y\n", "n\n"));
        assert!(CompilerProbe::of(&cc_option("ccache /opt/bin/x86_64-linux-gnu-gcc-12 -a=b")).is_some());
    }

    #[test]
    fn what_a_shell_would_change_or_knows_itself_is_left_to_it() {
        for compiler in [
            "gcc $(x)",
            "gcc -D'A b'",
            "gcc *.c",
            "gcc ~/x",
            "gcc a;b",
            "gcc >x",
            "A=gcc -c",
            "test -x",
            "",
            "gcc \\",
            "gcc {a,b}",
            "gcc `id`",
            "gcc #x",
            "gcc !x",
            "gcc a\tb",
            "gcc a\nb",
            "if",
        ] {
            assert_eq!(CompilerProbe::of(&cc_option(compiler)), None, "{compiler}");
        }
    }

    #[test]
    fn the_folder_is_gone_at_the_end() {
        let top = tempfile::tempdir().unwrap();
        let folder = ProbeFolder::new(top.path());
        std::fs::write(folder.object(), "x").unwrap();
        drop(folder);
        assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 0);
        drop(ProbeFolder::new(Path::new("/nonexistent")));
    }
}

//! What is known of the programs that Kconfig files ask: which of them give the same answer as long as the same files are
//! there, and how each tells which files those are.

use std::path::Path;

use base::process::quote;

/// A kind of program, by what its answers depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Prints or compares its words and reads nothing: `echo`, `set`.
    Words,
    /// Looks at the files it names: `test`, `cat`.
    Files,
    /// Makes or removes what only this command uses; its operands must hold the process id.
    Scratch,
    /// Runs what follows it: `env`, `ccache`.
    Wrapper,
    /// A C compiler: it calls other programs and reads headers and libraries.
    Compiler,
    /// A program whose answer depends on itself and its shared libraries alone.
    Plain,
    /// The Rust compiler: it lies in a sysroot, and rustup chooses which.
    Rust,
    /// Python, asked whether a module can be imported.
    Python,
}

/// Programs by name. Everything else is asked anew each time.
const BY_NAME: &[(Family, &[&str])] = &[
    (Family::Words, &["echo", "printf", "set", "true", "false", ":", "trap", "exit", "expr", "unset"]),
    (
        Family::Files,
        &[
            "test", "[", "cat", "head", "tail", "grep", "egrep", "fgrep", "cut", "tr", "wc", "dirname",
            "basename",
        ],
    ),
    (Family::Scratch, &["mkdir", "rm", "rmdir"]),
    (Family::Wrapper, &["env", "command", "exec", "ccache"]),
    (Family::Plain, &["bindgen", "pahole"]),
    (Family::Rust, &["rustc"]),
    (Family::Python, &["python", "python3"]),
];

/// Programs by the end of their name: a target's triplet may stand before it, a version behind it.
const COMPILERS: &[&str] = &["gcc", "clang", "cc"];
const BINUTILS: &[&str] = &[
    "ld", "ld.bfd", "ld.gold", "ld.lld", "as", "ar", "nm", "objcopy", "objdump", "readelf", "strip",
    "elfedit", "gcc-ar", "gcc-nm",
];

/// Make variables that name a program (kernel Makefile, "Make variables (CC, etc...)"), and what kind it is.
pub(super) const ROLES: &[(&str, Family)] = &[
    ("CC", Family::Compiler),
    ("HOSTCC", Family::Compiler),
    ("LD", Family::Plain),
    ("AR", Family::Plain),
    ("NM", Family::Plain),
    ("OBJCOPY", Family::Plain),
    ("OBJDUMP", Family::Plain),
    ("READELF", Family::Plain),
    ("STRIP", Family::Plain),
    ("PAHOLE", Family::Plain),
    ("BINDGEN", Family::Plain),
    ("RUSTC", Family::Rust),
    ("PYTHON3", Family::Python),
];

/// The family of the program `word` (a name or a path), by its name.
pub(super) fn family_of(word: &str) -> Option<Family> {
    let name = word.rsplit('/').next()?;
    let listed = BY_NAME.iter().find(|(_, names)| names.contains(&name)).map(|(family, _)| *family);
    listed.or_else(|| {
        let plain = without_version(name);
        let is =
            |known: &str| plain == known || plain.strip_suffix(known).is_some_and(|it| it.ends_with('-'));
        let binutil = BINUTILS.iter().copied().any(is);
        // gcc-ar ends in "ar", but arm-linux-gcc does not: binutils first, as none of their names ends in a compiler's.
        match (binutil, COMPILERS.iter().copied().any(is)) {
            (true, _) => Some(Family::Plain),
            (false, true) => Some(Family::Compiler),
            _ => None,
        }
    })
}

/// "gcc-12" and "clang-15.0" without their version.
fn without_version(name: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    match name.rsplit_once('-') {
        Some((plain, version)) if digits(version) => plain,
        _ => name,
    }
}

/// Options of a compiler that make it read files we do not know of.
pub(super) fn reads_elsewhere(word: &str) -> bool {
    const STARTS: [&str; 14] = [
        "-I",
        "-B",
        "-L",
        "-T",
        "-i",
        "@",
        "-specs",
        "--specs",
        "--sysroot",
        "--prefix",
        "-fplugin",
        "--config",
        "--gcc-toolchain",
        "-wrapper",
    ];
    STARTS.iter().any(|start| word.starts_with(start))
}

/// Variables that the programs above read by themselves (GCC manual, "Environment Variables Affecting GCC"; ld(1), ld.so(8),
/// ccache(1), clang(1), rustup's and Python's documentation; locale(7)). A name ending in `*` stands for all that begin so. What a
/// command or a script names itself is found there.
const VARIABLES: &[&str] = &[
    "PATH",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "POSIXLY_CORRECT",
    "BASH_ENV",
    "BASH_FUNC_*",
    "ENV",
    "LD_*",
    "GLIBC_TUNABLES",
    "MALLOC_*",
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "GCC_*",
    "COLLECT_*",
    "DEPENDENCIES_OUTPUT",
    "SUNPRO_DEPENDENCIES",
    "SOURCE_DATE_EPOCH",
    "GNUTARGET",
    "LDEMULATION",
    "CCC_*",
    "CLANG_CONFIG_*",
    "SDKROOT",
    "CCACHE_*",
    "RUSTUP_*",
    "RUSTC_*",
    "RUST_*",
    "CARGO_HOME",
    "LIBCLANG_*",
    "LLVM_CONFIG_PATH",
    "CLANG_PATH",
    "BINDGEN_*",
    "PYTHON*",
    "PYENV_*",
    "VIRTUAL_ENV",
    "GREP_*",
];

/// Whether the programs read the variable `name` by themselves.
pub(super) fn reads_variable(name: &str) -> bool {
    VARIABLES.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// Files that change when packages or shared libraries do: the databases of dpkg, rpm, pacman and apk, and ldconfig's cache.
pub(super) const SYSTEM_FILES: &[&str] = &[
    "/bin/sh",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/pacman/local",
    "/lib/apk/db/installed",
];

/// Words of a script whose answer may change though no file does.
pub(super) const UNSTEADY: &[&str] = &[
    "date", "RANDOM", "urandom", "random", "uname", "hostname", "nproc", "whoami", "curl", "wget", "git",
    "proc", "sys", "srctree", "objtree", "eval", "make",
];

/// The shell command by which `program` (the words that start it) tells which files its answers depend on.
pub(super) fn question(family: Family, program: &str) -> Option<String> {
    let program = quote(program.as_ref());
    match family {
        Family::Compiler => Some(COMPILER_QUESTION.replace("@", &program)),
        Family::Rust => Some(format!("echo \"sysroot: $({program} --print sysroot 2>/dev/null)\"")),
        Family::Python => Some(format!("{program} -c '{PYTHON_QUESTION}' 2>/dev/null")),
        _ => None,
    }
}

const COMPILER_QUESTION: &str = r#"exec 2>/dev/null
for option in '' -m32 -m64; do @ $option -print-search-dirs; done
for name in cc1 as ld collect2; do echo "program: $(@ -print-prog-name=$name)"; done
for name in crt1.o libc.a libc.so libgcc.a plugin plugin/include plugin/include/plugin-version.h specs; do
    echo "file: $(@ -print-file-name=$name)"
done
echo "file: $(@ -print-resource-dir)"
LC_ALL=C @ -E -v -x c /dev/null -o /dev/null 2>&1 | sed -n '/^#include </,/^End of/s/^ /include: /p'"#;

const PYTHON_QUESTION: &str = "import sys, glob
for folder in sys.path:
    print(\"folder:\", folder)
    for file in glob.glob(glob.escape(folder) + \"/*.pth\"): print(\"file:\", file)
print(\"file:\", sys.executable)";

/// What an answer to [`question`] names: paths, and names to look up in PATH.
pub(super) fn named_in(family: Family, answer: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in answer.lines() {
        let Some((word, rest)) = line.split_once(": ") else { continue };
        if rest.trim().is_empty() {
            continue;
        }
        match word {
            "install" | "file" | "program" | "folder" => found.push(rest.to_string()),
            "programs" | "libraries" => {
                found.extend(rest.trim_start_matches('=').split(':').map(str::to_string));
            }
            "include" => found.extend([rest.to_string(), format!("{rest}/stdio.h")]),
            "sysroot" => {
                let inside =
                    ["", "/bin/rustc", "/lib", "/lib/rustlib", RUST_CORE].map(|it| format!("{rest}{it}"));
                found.extend(inside);
            }
            _ => {}
        }
    }
    // An empty answer is one too: the program is not there or does not know the question. The next look may differ.
    if family == Family::Python {
        found.retain(|path| path.starts_with('/'));
    }
    found.sort();
    found.dedup();
    found
}

/// scripts/rust_is_available.sh looks for it.
const RUST_CORE: &str = "/lib/rustlib/src/rust/library/core/src/lib.rs";

/// Files by which ccache, rustup and pyenv choose the program that runs: in the folder of the command or one above it, and at
/// home.
pub(super) fn choosers(
    family: Family,
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let home = variable("HOME").unwrap_or_default();
    let root = |name: &str, usual: &str| variable(name).unwrap_or_else(|| format!("{home}/{usual}"));
    let (above, at_home): (&[&str], Vec<String>) = match family {
        Family::Rust => {
            let rustup = root("RUSTUP_HOME", ".rustup");
            let files = ["settings.toml", "toolchains", "update-hashes"];
            (&["rust-toolchain", "rust-toolchain.toml"], files.map(|file| format!("{rustup}/{file}")).into())
        }
        Family::Python => {
            let pyenv = root("PYENV_ROOT", ".pyenv");
            (&[".python-version"], ["version", "versions"].map(|file| format!("{pyenv}/{file}")).into())
        }
        Family::Wrapper => {
            let mut files = vec!["/etc/ccache.conf".to_string()];
            files.push(format!("{}/ccache.conf", root("CCACHE_DIR", ".ccache")));
            files.push(format!("{}/ccache/ccache.conf", root("XDG_CONFIG_HOME", ".config")));
            files.extend(variable("CCACHE_CONFIGPATH"));
            (&[], files)
        }
        _ => return Vec::new(),
    };
    let mut files = at_home;
    for folder in folder.ancestors() {
        files.extend(above.iter().map(|file| folder.join(file).to_string_lossy().into_owned()));
    }
    files
}

/// The modules of `-c "import a, b.c"`; `None` for any other program text.
pub(super) fn imported(arguments: &[&str]) -> Option<Vec<String>> {
    let [option, text] = arguments else { return None };
    let names = text.trim().strip_prefix("import ").filter(|_| *option == "-c")?;
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    names
        .split(',')
        .map(str::trim)
        .map(|name| {
            let first = name.split('.').next()?;
            name.split('.').all(plain).then(|| first.to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_name() {
        for (word, family) in [
            ("gcc", Some(Family::Compiler)),
            ("/usr/bin/x86_64-linux-gnu-gcc-12", Some(Family::Compiler)),
            ("clang-15", Some(Family::Compiler)),
            ("aarch64-linux-gnu-gcc", Some(Family::Compiler)),
            ("gcc-ar", Some(Family::Plain)),
            ("ld.lld-15", Some(Family::Plain)),
            ("llvm-objcopy", Some(Family::Plain)),
            ("aarch64-linux-gnu-ld", Some(Family::Plain)),
            ("echo", Some(Family::Words)),
            ("rustc", Some(Family::Rust)),
            ("date", None),
            ("uname", None),
            ("perl", None),
            ("mycc", None),
            ("", None),
        ] {
            assert_eq!(family_of(word), family, "{word}");
        }
    }

    #[test]
    fn only_plain_imports_are_understood() {
        assert_eq!(imported(&["-c", "import lxml"]), Some(vec!["lxml".to_string()]));
        assert_eq!(imported(&["-c", "import a.b, c"]), Some(vec!["a".to_string(), "c".to_string()]));
        for other in [
            &["-c", "import time; print(time.time())"][..],
            &["-c", "print(1)"],
            &["x.py"],
            &["-c", "import "],
        ] {
            assert_eq!(imported(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_compilers_answer_names_its_helpers_headers_and_libraries() {
        let answer = "install: /lib/gcc/12/\nprograms: =/a:/b/\nlibraries: =/c\nprogram: as\nfile: /l/libc.a\ninclude: /usr/include\nfile: \nnoise\n";
        let found = named_in(Family::Compiler, answer);
        for name in
            ["/lib/gcc/12/", "/a", "/b/", "/c", "as", "/l/libc.a", "/usr/include", "/usr/include/stdio.h"]
        {
            assert!(found.iter().any(|it| it == name), "{name}: {found:?}");
        }
        assert_eq!(found.len(), 8, "{found:?}");
    }
}

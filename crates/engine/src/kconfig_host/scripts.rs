//! What a script of a kernel tree depends on, found by reading it: the scripts and headers beside it that it names, and the
//! variables it expands. A script whose answer may depend on more is refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tools;
use super::words::{self, Refusal};

/// How large a script may be, and how many a command may stand for.
const SIZE_LIMIT: u64 = 64 << 10;
const COUNT_LIMIT: usize = 8;

/// What a script names.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptFacts {
    /// The scripts and what they read beside them.
    pub files: BTreeSet<PathBuf>,
    /// What they name by an absolute path.
    pub named: BTreeSet<PathBuf>,
    /// The variables they expand.
    pub variables: BTreeSet<String>,
}

/// Reads the script `first` (its path starts from `folder`) and those it names beside it.
pub(super) fn read_scripts(folder: &Path, first: &Path) -> Result<ScriptFacts, Refusal> {
    let mut facts = ScriptFacts::default();
    let mut waiting = vec![first.to_path_buf()];
    while let Some(path) = waiting.pop() {
        if !facts.files.insert(path.clone()) {
            continue;
        }
        if facts.files.len() > COUNT_LIMIT {
            return Err("its script calls too many others");
        }
        let file = folder.join(&path);
        let plain = std::fs::metadata(&file).is_ok_and(|it| it.is_file() && it.len() <= SIZE_LIMIT);
        let text = plain.then(|| std::fs::read_to_string(&file).ok()).flatten();
        let text = text.ok_or("its program cannot be read as a script")?;
        // A header is read by a compiler that the script calls.
        if path.extension().is_none_or(|it| it != "h") {
            let beside = read_script(folder, &file, &text, &mut facts)?;
            waiting.extend(beside.into_iter().map(|name| path.with_file_name(name)));
        }
    }
    Ok(facts)
}

/// Adds what one script names to `facts`; the names of files beside it.
fn read_script(
    folder: &Path,
    file: &Path,
    text: &str,
    facts: &mut ScriptFacts,
) -> Result<Vec<String>, Refusal> {
    let interpreter = text.lines().next().unwrap_or_default().trim_start_matches("#!").trim_start();
    let shells = ["/bin/sh", "/bin/bash", "/usr/bin/env sh", "/usr/bin/env bash"];
    let shell = |known: &&str| interpreter.strip_prefix(*known).is_some_and(|rest| !rest.starts_with('/'));
    if !text.starts_with("#!") || !shells.iter().any(shell) {
        return Err("its program is no shell script");
    }
    let mut beside = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        variables_in(line, &mut facts.variables);
        let split = |letter: char| !letter.is_ascii_alphanumeric() && !"_.-+".contains(letter);
        for token in line.split(split).filter(|token| !token.is_empty()) {
            if token.split(['.', '-', '+']).any(|word| tools::UNSTEADY.contains(&word)) {
                return Err("its script calls what may answer otherwise each time");
            }
            // A name with a dot may be a file's; others are only looked for where a script looks beside itself.
            if (token.contains('.') || line.contains("$0")) && file.with_file_name(token).is_file() {
                beside.push(token.to_string());
            }
        }
        paths_in(folder, line, &mut facts.named)?;
    }
    Ok(beside)
}

/// Files that a line names by their whole path; one that is found from the folder it runs in may be anything of the tree.
fn paths_in(folder: &Path, line: &str, named: &mut BTreeSet<PathBuf>) -> Result<(), Refusal> {
    let ends = |letter: char| letter.is_whitespace() || "\"'`;|&()<>=".contains(letter);
    for word in line.split(ends).filter(|word| word.contains('/') && !word.contains('$')) {
        let path = Path::new(word);
        if path.is_absolute() {
            named.insert(path.to_path_buf());
        } else if folder.join(path).is_file() {
            return Err("its script names other files of the tree");
        }
    }
    Ok(())
}

/// The names after a dollar sign.
fn variables_in(line: &str, variables: &mut BTreeSet<String>) {
    for after in line.split('$').skip(1) {
        let after = after.trim_start_matches('{');
        let end = after.find(|it: char| it != '_' && !it.is_ascii_alphanumeric()).unwrap_or(after.len());
        if words::is_name(&after[..end]) {
            variables.insert(after[..end].to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(scripts: &[(&str, &str)]) -> Result<ScriptFacts, Refusal> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scripts")).unwrap();
        for (name, text) in scripts {
            std::fs::write(folder.path().join("scripts").join(name), text).unwrap();
        }
        read_scripts(folder.path(), &Path::new("scripts").join(scripts[0].0))
    }

    #[test]
    fn a_script_names_others_headers_variables_and_paths() {
        let facts = facts(&[
            ("a.sh", "#!/bin/sh\n# date is a comment\n$(dirname $0)/b.sh ${CC} \"$0\"/plain\ncat /etc/os-release\n"),
            ("b.sh", "#!/bin/sh -e\n\"$BINDGEN\" $(dirname $0)/c.h >/dev/null\na.sh\n"),
            ("plain", "#!/bin/bash\necho\n"),
            ("c.h", "no script"),
            ("other.sh", "#!/bin/sh\n"),
        ])
        .unwrap();
        let names: Vec<&str> = facts.files.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["scripts/a.sh", "scripts/b.sh", "scripts/c.h", "scripts/plain"]);
        assert_eq!(facts.variables.iter().collect::<Vec<_>>(), ["BINDGEN", "CC"]);
        assert!(facts.named.contains(Path::new("/etc/os-release")));
    }

    #[test]
    fn what_a_script_may_not_do() {
        for text in [
            "#!/usr/bin/python3\n",
            "echo\n",
            "#!/bin/sh\ndate\n",
            "#!/bin/sh\necho $RANDOM\n",
            "#!/bin/sh\ncat /proc/uptime\n",
            "#!/bin/sh\ncat $srctree/x\n",
            "#!/bin/sh\n. scripts/a.sh\n",
        ] {
            assert!(facts(&[("a.sh", text)]).is_err(), "{text}");
        }
        assert!(facts(&[("a.sh", "#!/bin/sh\nb"), ("b", "\u{0}")]).is_ok(), "b is a word here");
    }
}

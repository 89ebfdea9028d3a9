//! One's own source tree: a hash of what is in it now.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{Program, find};
use base::{Cancel, Context, Error, Events, Result};

use crate::hash::{Hasher, Sha256};
use crate::tree::{self, Known, Type};

/// `git status` reads the whole tree when its cache is cold.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The hash of the tree in `folder` as it is now, without `.git`. Of a git checkout's top: the commit and the
/// content of every changed and untracked file (ignored ones, such as objects built in the tree, don't count), which
/// is fast; git's index finds the changed ones. Of any other folder: everything in it.
///
/// The same content gives the same hash wherever the folder is. A checkout and a plain copy of it differ.
///
/// # Errors
/// There is no such folder ([`base::Kind::Input`]), or it cannot be read.
pub fn tree_digest(folder: &Path, events: &Events, cancel: &Cancel) -> Result<Sha256> {
    if !folder.is_dir() {
        return Err(Error::input(format!("there is no folder {}", folder.display())));
    }
    if folder.join(".git").exists() && find("git").is_some() {
        match checkout_digest(folder, cancel) {
            Err(error) if error.kind() == base::Kind::Cancelled => return Err(error),
            Err(error) => {
                events
                    .detail(format!("{}: git does not help ({error}); reading all of it", folder.display()));
            }
            Ok(digest) => return Ok(digest),
        }
    }
    let nodes = tree::list(folder, &|path| path == Path::new(".git"))
        .context(|| format!("cannot read {}", folder.display()))?;
    tree::digest_of(folder, &nodes, &Known::default(), cancel)
}

fn checkout_digest(folder: &Path, cancel: &Cancel) -> Result<Sha256> {
    let commit = git(folder, &["rev-parse", "--verify", "HEAD"], cancel)?;
    let arguments = [
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=none",
    ];
    let status = git(folder, &arguments, cancel)?;
    let mut paths: Vec<PathBuf> = Vec::new();
    // `XY path` each, ended by NUL (git-status(1), "Porcelain Format Version 1").
    for record in status.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
        let path = record.get(3..).ok_or_else(|| Error::failed("git status printed something unknown"))?;
        paths.push(OsString::from_vec(path.to_vec()).into());
    }
    paths.sort();
    let mut hasher = Hasher::new();
    hasher.update(b"allno checkout 1\n");
    hasher.update(&commit);
    for path in paths {
        cancel.check()?;
        let (letter, mode, content) = changed(&folder.join(&path))?;
        hasher.update(format!("{letter} {mode:04o} {} ", path.as_os_str().len()).as_bytes());
        hasher.update(path.as_os_str().as_bytes());
        hasher.update(content.as_ref().map_or(&[][..], |hash| hash.bytes()));
        hasher.update(b"\n");
    }
    Ok(hasher.finish())
}

/// What a changed path is now: a letter for its type, whether it may be run, its content's hash.
fn changed(path: &Path) -> Result<(char, u32, Option<Sha256>)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = match std::fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(('-', 0, None)),
        other => other.context(|| format!("cannot read {}", path.display()))?,
    };
    // Of the permission bits git keeps only this one.
    let mode = metadata.mode() & 0o100;
    let (letter, kind) = match metadata.file_type() {
        kind if kind.is_file() => ('f', Type::File),
        kind if kind.is_symlink() => ('l', Type::Link),
        // A repository inside this one, or something odd: reading everything will tell.
        _ => return Err(Error::failed(format!("{} is not a file git keeps", path.display()))),
    };
    let content = tree::content(path, kind).context(|| format!("cannot read {}", path.display()))?;
    Ok((letter, if letter == 'l' { 0 } else { mode }, content))
}

fn git(folder: &Path, arguments: &[&str], cancel: &Cancel) -> Result<Vec<u8>> {
    let program = Program::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments.iter().copied())
        // Only look: don't write the index, don't follow variables that name another repository.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_DIR", folder.join(".git"))
        .env("GIT_WORK_TREE", folder)
        .env("LC_ALL", "C");
    let captured = program.capture(LIMIT, cancel)?;
    if captured.status.success() {
        Ok(captured.stdout.into_bytes())
    } else {
        let said = captured.stderr.lines().next().unwrap_or_default().to_string();
        Err(Error::failed(format!("git {} failed", arguments[0])).note(said))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sh(folder: &Path, script: &str) {
        let script = format!("export GIT_CONFIG_GLOBAL=/dev/null; {script}");
        let captured = Program::new("sh")
            .args(["-ec", &script])
            .directory(folder)
            .capture(LIMIT, &Cancel::new())
            .unwrap();
        assert!(captured.status.success(), "{script}: {}", captured.stderr);
    }

    fn digest(folder: &Path) -> Sha256 {
        tree_digest(folder, &Events::silent(), &Cancel::new()).unwrap()
    }

    #[test]
    fn a_checkouts_digest_follows_its_changes_and_not_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        sh(
            top,
            "git init -q .; echo '*.o' > .gitignore; echo one > a; mkdir 'sub dir'; echo two > 'sub dir/ü'
             git add -A; git -c user.name=n -c user.email=e@example.org commit -qm first",
        );
        let clean = digest(top);
        fs::write(top.join("a.o"), "object").unwrap();
        assert_eq!(digest(top), clean, "an ignored file counted");
        let mut seen = vec![clean];
        for step in [
            "echo changed > a",
            "echo changed again > a",
            "echo three > 'sub dir/neü'",
            "chmod +x 'sub dir/neü'",
            "rm 'sub dir/ü'",
            "git add -A; git -c user.name=n -c user.email=e@example.org commit -qm second",
        ] {
            sh(top, step);
            let now = digest(top);
            assert!(!seen.contains(&now), "{step} was not seen");
            seen.push(now);
        }
        sh(top, "git checkout -q HEAD~1");
        assert_eq!(digest(top), clean);
        let copy = tempfile::tempdir().unwrap();
        sh(copy.path(), &format!("cp -a {}/. .", top.display()));
        assert_eq!(digest(copy.path()), clean, "the place counted");
    }

    #[test]
    fn a_plain_folders_digest_is_of_all_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        let first = digest(folder.path());
        fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(digest(folder.path()), first, "an empty .git is no checkout and does not count");
        fs::write(folder.path().join("b"), "").unwrap();
        assert_ne!(digest(folder.path()), first);
        let error = tree_digest(&folder.path().join("none"), &Events::silent(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Input);
    }
}

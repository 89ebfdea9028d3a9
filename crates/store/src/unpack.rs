//! Unpacking what was fetched, by the host's tar and dpkg-deb, and patching it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{Program, ending};
use base::{Cancel, Context, Error, Result};

use crate::artifact::blame_full_disk;
use crate::tree;

/// The largest source takes a minute on a slow machine.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// What a Debian package begins with: it is an ar archive (deb(5)).
const AR_MAGIC: &[u8] = b"!<arch>\n";
/// How many lines of a rejected hunk an error shows.
const REJECT_LINES: usize = 40;

/// Unpacks `archive` into the folder `into`, which is made if need be and has to be empty. Any compression that
/// tar knows; a Debian package gives the one source tarball it carries (`/usr/src/*.tar.*`). With `strip_top` the
/// content of the archive's one top folder is put there instead of the folder.
///
/// Owners are not restored, times are (build systems compare them). A member with `..` or an absolute path does not
/// leave `into`: GNU tar refuses or strips it.
///
/// # Errors
/// tar or dpkg-deb is missing or fails, with what it said; no single top folder to strip; no or several tarballs in
/// a package.
pub fn unpack(archive: &Path, into: &Path, strip_top: bool, cancel: &Cancel) -> Result<()> {
    fs::create_dir_all(into).context(|| format!("cannot make {}", into.display()))?;
    if let Some(name) = tree::names(into)?.first() {
        return Err(Error::failed(format!("cannot unpack into {}", into.display()))
            .note(format!("it is not empty: {}", name.to_string_lossy())));
    }
    if is_package(archive)? {
        let inner = into.join(".package");
        let package = Program::new("dpkg-deb").arg("--extract").arg(archive).arg(&inner);
        run(&package, archive, into, cancel)?;
        let tarball = tarball_in(&inner, archive)?;
        // Out of the way, but on the same file system: it is gone before anybody looks.
        untar(&tarball, into, cancel)?;
        tree::remove(&inner)?;
    } else {
        untar(archive, into, cancel)?;
    }
    tree::open_folders(into).context(|| format!("cannot open up {}", into.display()))?;
    if strip_top { strip(archive, into) } else { Ok(()) }
}

/// Unpacks the files of a Debian package into the folder `into`, as they would be installed; no script of it runs.
///
/// # Errors
/// It is no package; dpkg-deb is missing or fails, with what it said.
pub fn unpack_package(archive: &Path, into: &Path, cancel: &Cancel) -> Result<()> {
    if !is_package(archive)? {
        return Err(Error::failed(format!("{} is no Debian package", archive.display())));
    }
    fs::create_dir_all(into).context(|| format!("cannot make {}", into.display()))?;
    let package = Program::new("dpkg-deb").arg("--extract").arg(archive).arg(into);
    run(&package, archive, into, cancel)?;
    tree::open_folders(into).context(|| format!("cannot open up {}", into.display()))
}

fn is_package(archive: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let opened = fs::File::open(archive);
    opened
        .and_then(|file| file.take(AR_MAGIC.len() as u64).read_to_end(&mut start))
        .context(|| format!("cannot read {}", archive.display()))?;
    Ok(start == AR_MAGIC)
}

/// The source tarball in an extracted package.
fn tarball_in(package: &Path, archive: &Path) -> Result<PathBuf> {
    let folder = package.join("usr/src");
    let mut names = tree::names(&folder)?;
    names.retain(|name| name.to_str().is_some_and(|name| name.contains(".tar.")));
    match &names[..] {
        [name] => Ok(folder.join(name)),
        names => Err(Error::failed(format!("{} is not a source package", archive.display()))
            .note(format!("it has {} tarballs in /usr/src, where one is expected", names.len()))),
    }
}

fn untar(archive: &Path, into: &Path, cancel: &Cancel) -> Result<()> {
    let program = Program::new("tar")
        .args(["--extract", "--no-same-owner", "--no-same-permissions", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(into);
    run(&program, archive, into, cancel)
}

fn run(program: &Program, archive: &Path, into: &Path, cancel: &Cancel) -> Result<()> {
    // The messages are looked at (for a full disk), so they have to be in the C locale.
    let program = program.clone().env("LC_ALL", "C");
    let captured = program.capture(LIMIT, cancel)?;
    if captured.status.success() {
        return Ok(());
    }
    let name = program.name().to_string_lossy().into_owned();
    let lines: Vec<String> = captured.stderr.lines().map(str::to_string).collect();
    let last = lines.len().saturating_sub(base::process::LAST_LINES);
    Err(blame_full_disk(
        Error::failed(format!("cannot unpack {}", archive.display()))
            .note(format!("{name} {}", ending(captured.status)))
            .note(format!("command: {}", program.shell_line()))
            .output(lines[last..].to_vec()),
        into,
    ))
}

/// Replaces the one folder in `into` by its content.
fn strip(archive: &Path, into: &Path) -> Result<()> {
    let names = tree::names(into)?;
    let [top] = &names[..] else {
        return Err(Error::failed(format!("{} has no single top folder", archive.display()))
            .note(format!("it holds {} entries at its top", names.len())));
    };
    let failed = || format!("cannot move what {} holds", archive.display());
    // A name that nothing inside can have, as something inside may have the top folder's.
    let aside = into.join(format!(".top-of-{}", top.to_string_lossy()));
    fs::rename(into.join(top), &aside).context(failed)?;
    for name in tree::names(&aside)? {
        fs::rename(aside.join(&name), into.join(&name)).context(failed)?;
    }
    fs::remove_dir(&aside).context(failed)
}

/// Applies the patch `file` (unified diff, one leading path component stripped) to the tree at `tree`.
///
/// # Errors
/// It does not apply: [`base::Kind::Input`] with what patch said and the hunks it rejected. The tree may be half patched then
/// and is to be thrown away.
pub fn apply_patch(file: &Path, tree: &Path, cancel: &Cancel) -> Result<()> {
    let file = file.canonicalize().map_err(|cause| {
        Error::input(format!("cannot read the patch {}", file.display())).note(cause.to_string())
    })?;
    let rejects = tree.join(".allno-rejects");
    let program = Program::new("patch")
        .args(["-p1", "--forward", "--batch", "--no-backup-if-mismatch", "--input"])
        .arg(&file)
        .arg("--reject-file")
        .arg(&rejects)
        .arg("--directory")
        .arg(tree)
        .env("LC_ALL", "C");
    let captured = program.capture(LIMIT, cancel)?;
    let rejected = fs::read(&rejects).unwrap_or_default();
    tree::remove(&rejects)?;
    if captured.status.success() {
        return Ok(());
    }
    let said = captured.stdout.lines().chain(captured.stderr.lines());
    let shown = said.filter(|line| !line.starts_with("patching file ")).map(str::to_string);
    let rejected = String::from_utf8_lossy(&rejected);
    let hunks = rejected.lines().take(REJECT_LINES).map(str::to_string);
    Err(blame_full_disk(
        Error::input(format!("the patch {} does not apply", file.display()))
            .note(format!("patch {}", ending(captured.status)))
            .output(shown.chain(hunks)),
        tree,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(folder: &Path, script: &str) {
        let captured = Program::new("sh")
            .args(["-ec", script])
            .directory(folder)
            .capture(LIMIT, &Cancel::new())
            .unwrap();
        assert!(captured.status.success(), "{script}: {}", captured.stderr);
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
    }

    #[test]
    fn every_compression_is_unpacked_and_the_top_folder_stripped() {
        let folder = tempfile::tempdir().unwrap();
        sh(folder.path(), "mkdir -p top-1/top-1; echo hello > top-1/top-1/file; chmod 555 top-1/top-1");
        for letter in ["--gzip", "--bzip2", "--xz", "--zstd"] {
            sh(folder.path(), &format!("tar --create {letter} --file a.tar top-1"));
            let archive = folder.path().join("a.tar");
            let (whole, stripped) = (folder.path().join("whole"), folder.path().join("stripped"));
            unpack(&archive, &whole, false, &Cancel::new()).unwrap();
            unpack(&archive, &stripped, true, &Cancel::new()).unwrap();
            assert_eq!(read(whole.join("top-1/top-1/file")), "hello\n", "{letter}");
            assert_eq!(read(stripped.join("top-1/file")), "hello\n", "{letter}");
            assert_eq!(tree::names(&stripped).unwrap().len(), 1);
            let error = unpack(&archive, &whole, false, &Cancel::new()).unwrap_err();
            assert!(error.to_string().contains("not empty"), "{error}");
            tree::remove(&whole).unwrap();
            tree::remove(&stripped).unwrap();
        }
    }

    #[test]
    fn a_package_gives_the_tarball_in_it() {
        let folder = tempfile::tempdir().unwrap();
        sh(
            folder.path(),
            "mkdir -p linux-source-9; echo all > linux-source-9/Makefile
             mkdir -p deb/DEBIAN deb/usr/src deb/usr/share/doc
             tar cJf deb/usr/src/linux-source-9.tar.xz linux-source-9
             printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nMaintainer: m\\nDescription: d\\n' > deb/DEBIAN/control
             dpkg-deb --build deb p.deb >/dev/null
             rm deb/usr/src/*; dpkg-deb --build deb empty.deb >/dev/null",
        );
        let into = folder.path().join("into");
        unpack(&folder.path().join("p.deb"), &into, true, &Cancel::new()).unwrap();
        assert_eq!(read(into.join("Makefile")), "all\n");
        assert_eq!(tree::names(&into).unwrap().len(), 1);
        let error = unpack(&folder.path().join("empty.deb"), &folder.path().join("e"), true, &Cancel::new())
            .unwrap_err();
        assert!(error.to_string().contains("0 tarballs"), "{error}");
    }

    #[test]
    fn nothing_is_written_outside() {
        let folder = tempfile::tempdir().unwrap();
        sh(
            folder.path(),
            "mkdir -p in/deep; echo evil > evil; cd in/deep
             tar --create --absolute-names --file ../../up.tar ../../evil
             cd ../..; rm evil
             ln -s .. link; tar cf link.tar link; rm link; mkdir link; echo evil > link/evil
             tar rf link.tar link/evil; rm -r link",
        );
        let into = folder.path().join("a/b/into");
        let error = unpack(&folder.path().join("up.tar"), &into, false, &Cancel::new()).unwrap_err();
        assert!(error.output_lines().iter().any(|line| line.contains("..")), "{error:?}");
        // What tar makes of the link is its business, as long as nothing appears above.
        let _ = unpack(&folder.path().join("link.tar"), &folder.path().join("c/into"), false, &Cancel::new());
        for outside in ["evil", "a/evil", "a/b/evil", "c/evil"] {
            assert!(!folder.path().join(outside).exists(), "{outside} was written");
        }
    }

    #[test]
    fn a_broken_archive_says_what_tar_said() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("x.tar.gz");
        fs::write(&archive, "no archive at all, but long enough to be looked at").unwrap();
        let error = unpack(&archive, &folder.path().join("into"), true, &Cancel::new()).unwrap_err();
        assert!(error.message().contains("x.tar.gz"), "{error}");
        assert!(!error.output_lines().is_empty());
        sh(folder.path(), "touch a b; tar cf flat.tar a b");
        let error =
            unpack(&folder.path().join("flat.tar"), &folder.path().join("flat"), true, &Cancel::new())
                .unwrap_err();
        assert!(error.to_string().contains("no single top folder"), "{error}");
    }

    #[test]
    fn a_patch_applies_or_shows_its_hunk() {
        let folder = tempfile::tempdir().unwrap();
        sh(
            folder.path(),
            "mkdir a b tree other
             printf '1\\n2\\n3\\n' | tee a/f > tree/f; printf '1\\ntwo\\n3\\n' > b/f; printf 'x\\ny\\nz\\n' > other/f
             diff -u a/f b/f > fix.patch || true",
        );
        let patch = folder.path().join("fix.patch");
        apply_patch(&patch, &folder.path().join("tree"), &Cancel::new()).unwrap();
        assert_eq!(read(folder.path().join("tree/f")), "1\ntwo\n3\n");
        let error = apply_patch(&patch, &folder.path().join("other"), &Cancel::new()).unwrap_err();
        let shown = error.output_lines().join("\n");
        assert!(shown.contains("FAILED") && shown.contains("+two"), "{shown}");
        assert_eq!(tree::names(&folder.path().join("other")).unwrap(), ["f"]);
        let error = apply_patch(&patch, &folder.path().join("tree"), &Cancel::new()).unwrap_err();
        assert!(error.output_lines().join("\n").contains("previously applied"), "{error:?}");
        let error = apply_patch(Path::new("/no/such.patch"), folder.path(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Input);
    }
}

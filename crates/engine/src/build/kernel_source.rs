//! The kernel's source tree: a series fetched and unpacked, or one's own tree, checkout or tarball, and patches.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Context, Error, Result};
use store::{Artifact, Inputs, Sha256};
use toml::Spanned;

use crate::rung::Series;
use crate::session::Session;
use crate::spec::SpecFile;

/// A kernel source tree, ready to be built out of tree.
#[derive(Clone, Debug)]
pub struct KernelSource {
    /// The tree.
    pub tree: PathBuf,
    /// Hash of its content.
    pub digest: String,
    /// "6.12.117", from its Makefile.
    pub version: String,
    /// Its series.
    pub series: Series,
    /// Its date in seconds since 1970: what the built kernel shows as its own, whenever it is built.
    pub date: u64,
    /// Names the object tree: one for each unpacked source, and one for a tree of one's own however it is edited,
    /// where make sees by itself what changed.
    pub objects: String,
    /// Whether it is what a recipe names, without patches: what is known of a release holds for it.
    pub released: bool,
    /// Keeps gc of another run away while we build from it.
    _held: Option<Artifact>,
}

/// File beside the unpacked tree's own, holding its date. A dot file of ours cannot disturb kbuild.
const DATE_FILE: &str = ".allno-date";

/// Unpacks a tarball, then patches it.
///
/// `archive` is the tarball or the distribution's package, `sha256` its hash.
pub fn from_archive(
    session: &Session,
    archive: &Path,
    sha256: &str,
    spec: &SpecFile,
) -> Result<KernelSource> {
    let patches = read_patches(spec)?;
    let mut inputs = Inputs::new().with("archive", sha256);
    add_patches(&mut inputs, &patches);
    let artifact = session.realize("linux-source", &inputs, |tree| {
        let task = session.events.task("unpacking", "the kernel's source");
        store::unpack(archive, tree, true, &session.cancel)?;
        let date = makefile_date(tree)?;
        apply(session, &patches, tree)?;
        std::fs::write(tree.join(DATE_FILE), date.to_string()).context(|| "cannot date the source".into())?;
        task.end("unpacked", "the kernel's source");
        Ok(())
    })?;
    describe(artifact.path.clone(), artifact.digest.to_string(), None, Some(artifact))
}

/// One's own tree or git checkout. Without patches it is built where it is and not written to; with patches, a copy is.
pub fn from_tree(session: &Session, path: &Spanned<PathBuf>, spec: &SpecFile) -> Result<KernelSource> {
    let tree = spec.existing(path)?;
    let tree = tree.canonicalize().context(|| format!("cannot resolve {}", tree.display()))?;
    if !tree.join("Kconfig").is_file() || !tree.join("Makefile").is_file() {
        let error =
            spec.error(path.span(), format!("{} is not a kernel source tree", path.get_ref().display()));
        return Err(error.note("there is no Kconfig and Makefile in it"));
    }
    // The kernel's own test for "has been built in" (Makefile, outputmakefile).
    if tree.join(".config").exists() || tree.join("include/config").exists() {
        return Err(spec
            .error(
                path.span(),
                format!("{} has been built in, so it cannot be built out of tree", tree.display()),
            )
            .hint(format!("make -C {} mrproper (it removes .config: keep a copy)", tree.display())));
    }
    let digest = store::tree_digest(&tree, &session.events, &session.cancel)?.to_string();
    let date = commit_date(session, &tree)?;
    let patches = read_patches(spec)?;
    if patches.is_empty() {
        return describe(tree, digest, Some(date), None);
    }
    let mut inputs = Inputs::new().with("tree", &digest).with("date", date.to_string());
    add_patches(&mut inputs, &patches);
    let artifact = session.realize("linux-source", &inputs, |copy| {
        Program::new("cp")
            .args(["-a", "--reflink=auto", "--no-target-directory"])
            .args([&tree, copy])
            .succeed(Duration::from_secs(900), &session.cancel)
            .map_err(|error| error.because_of("cannot copy the kernel's source"))?;
        std::fs::write(copy.join(DATE_FILE), date.to_string()).context(|| "cannot date the source".into())?;
        apply(session, &patches, copy)
    })?;
    describe(artifact.path.clone(), artifact.digest.to_string(), None, Some(artifact))
}

/// A tree as it is, for questions that need no key: its digest is empty and its date 1970.
///
/// # Errors
/// It is no kernel source tree.
pub fn as_it_is(tree: &Path) -> Result<KernelSource> {
    let tree = tree.canonicalize().context(|| format!("cannot find {}", tree.display()))?;
    describe(tree, String::new(), Some(0), None)
}

struct Patch {
    path: PathBuf,
    name: String,
    sha256: String,
}

fn read_patches(spec: &SpecFile) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for named in &spec.spec.kernel.patches {
        let path = spec.existing_file(named)?;
        let sha256 = Sha256::of_file(&path).context(|| format!("cannot read {}", path.display()))?;
        patches.push(Patch { path, name: named.get_ref().display().to_string(), sha256: sha256.to_string() });
    }
    Ok(patches)
}

fn add_patches(inputs: &mut Inputs, patches: &[Patch]) {
    for (index, patch) in patches.iter().enumerate() {
        inputs.add(format!("patch {index} {}", patch.name), &patch.sha256);
    }
}

fn apply(session: &Session, patches: &[Patch], tree: &Path) -> Result<()> {
    for patch in patches {
        store::apply_patch(&patch.path, tree, &session.cancel)?;
        session.events.detail(format!("applied {}", patch.name));
    }
    Ok(())
}

/// The date tar gave the top Makefile, which every release changes.
fn makefile_date(tree: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let makefile = tree.join("Makefile");
    let metadata = makefile.metadata().map_err(|cause| {
        Error::input("the archive does not hold a kernel's source")
            .note(format!("{}: {cause}", makefile.display()))
    })?;
    Ok(metadata.mtime().max(0) as u64)
}

/// The date of the last commit; 1970 for a tree that is no git checkout, as its files' dates say when they were
/// copied, not what they are.
fn commit_date(session: &Session, tree: &Path) -> Result<u64> {
    if !tree.join(".git").exists() {
        return Ok(0);
    }
    let captured = Program::new("git")
        .arg("-C")
        .arg(tree)
        .args(["log", "-1", "--format=%ct"])
        .capture(Duration::from_secs(60), &session.cancel)?;
    Ok(captured.stdout.trim().parse().unwrap_or(0))
}

fn describe(
    tree: PathBuf,
    digest: String,
    date: Option<u64>,
    held: Option<Artifact>,
) -> Result<KernelSource> {
    let makefile = tree.join("Makefile");
    let text =
        std::fs::read_to_string(&makefile).context(|| format!("cannot read {}", makefile.display()))?;
    let version = version_of(&text).ok_or_else(|| {
        Error::input(format!("{} names no kernel version", makefile.display()))
            .note("expected VERSION, PATCHLEVEL and SUBLEVEL at its head")
    })?;
    let series =
        Series::parse(&version).ok_or_else(|| Error::input(format!("{version} is no kernel version")))?;
    let date = match date {
        Some(date) => date,
        None => std::fs::read_to_string(tree.join(DATE_FILE))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| {
                Error::failed("an unpacked kernel source lost its date").hint("allno gc --verify")
            })?,
    };
    let objects = match &held {
        Some(_) => format!("linux-{version}-{}", &digest[..12]),
        None => format!("linux-own-{}", Sha256::of(tree.as_os_str().as_bytes()).short(12)),
    };
    Ok(KernelSource { tree, digest, version, series, date, objects, released: false, _held: held })
}

/// "6.12.117" out of a kernel's top Makefile.
fn version_of(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        makefile.lines().take(20).find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_string())
        })
    };
    let extra = field("EXTRAVERSION").unwrap_or_default();
    Some(format!("{}.{}.{}{extra}", field("VERSION")?, field("PATCHLEVEL")?, field("SUBLEVEL")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_names_its_version() {
        let head = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = x\n";
        assert_eq!(version_of(head).as_deref(), Some("6.12.117"));
        assert_eq!(
            version_of(&head.replace("VERSION =\n", "VERSION = -rc1\n")).as_deref(),
            Some("6.12.117-rc1")
        );
        assert_eq!(version_of("all:\n\techo\n"), None);
    }
}

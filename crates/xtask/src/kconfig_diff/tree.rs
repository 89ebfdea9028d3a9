//! A kernel tree: its version, its architectures and their configurations, and a digest of all that its Kconfig reads.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base::{Cancel, Context, Error, Result};
use engine::kconfig_host::{Environment, LiveHost, tree_environment};

use super::hash::Hash;

/// One kernel source tree, as the chores that need one take it.
#[derive(clap::Args)]
pub struct Choice {
    /// A kernel source tree. Nothing is written into it
    #[arg(long, value_name = "DIR", required_unless_present = "series")]
    tree: Option<PathBuf>,
    /// The tree of this series that allno build left in its store
    #[arg(long, value_name = "SERIES", conflicts_with = "tree")]
    series: Option<String>,
}

impl Choice {
    /// The tree.
    ///
    /// # Errors
    /// There is none.
    pub fn open(&self) -> Result<Tree> {
        match (&self.tree, &self.series) {
            (Some(path), _) => Tree::open(path),
            (None, Some(series)) => Tree::of_series(series),
            (None, None) => Err(Error::input("no tree").hint("--tree DIR or --series 6.12")),
        }
    }
}

/// A kernel source tree. Nothing is written into it.
pub struct Tree {
    /// Its absolute path.
    pub path: PathBuf,
    /// KERNELVERSION of its Makefile, "6.12.9".
    pub version: String,
    /// Of the version, every Kconfig file, scripts and configurations.
    pub digest: String,
}

/// What make's ARCH can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// ARCH, "x86_64".
    pub name: String,
    /// SRCARCH, the folder below arch/, "x86".
    pub folder: String,
}

/// ARCH values that are no folder, and their SRCARCH: "Additional ARCH settings" of the kernel's Makefile.
const VARIANTS: &[(&str, &str)] =
    &[("x86_64", "x86"), ("i386", "x86"), ("sparc32", "sparc"), ("sparc64", "sparc"), ("parisc64", "parisc")];

impl Tree {
    /// The tree at `path`.
    ///
    /// # Errors
    /// There is no kernel tree.
    pub fn open(path: &Path) -> Result<Tree> {
        let hint = "a tree is what linux-source-6.12.tar.xz holds: --tree linux-source-6.12";
        let absent = |cause: String| {
            Error::input(format!("{} is no kernel tree", path.display())).note(cause).hint(hint)
        };
        let path = path.canonicalize().map_err(|cause| absent(cause.to_string()))?;
        let makefile = std::fs::read_to_string(path.join("Makefile"))
            .map_err(|cause| absent(format!("Makefile: {cause}")))?;
        let version = version(&makefile).ok_or_else(|| absent("Makefile has no VERSION".into()))?;
        if !path.join("scripts/kconfig/conf.c").is_file() {
            return Err(absent("no scripts/kconfig/conf.c".into()));
        }
        let digest = digest(&path, &version)?;
        Ok(Tree { path, version, digest })
    }

    /// The tree of a series in allno's store; the same one as long as the store holds the same.
    ///
    /// # Errors
    /// There is none.
    pub fn of_series(series: &str) -> Result<Tree> {
        let artifacts = store::default_root()?.join("artifacts");
        let absent = || {
            Error::host(format!("{} has no source of linux {series}", artifacts.display()))
                .hint("allno build, or --tree with a tree of your own")
        };
        for path in entries(&artifacts).map_err(|_| absent())? {
            let tree = path.join("tree");
            let is_kernel = name(&path).starts_with("linux-source-");
            let makefile = std::fs::read_to_string(tree.join("Makefile")).unwrap_or_default();
            let found = version(&makefile).filter(|_| is_kernel);
            if found.is_some_and(|it| it == series || it.starts_with(&format!("{series}."))) {
                return Tree::open(&tree);
            }
        }
        Err(absent())
    }

    /// The folder in `scratch` for what is made of this very tree.
    ///
    /// # Errors
    /// The current folder is gone.
    pub fn folder_in(&self, scratch: &Path) -> Result<PathBuf> {
        let scratch = std::path::absolute(scratch).context(|| format!("cannot use {}", scratch.display()))?;
        Ok(scratch.join(format!("{}-{}", self.version, &self.digest[..8])))
    }

    /// Every folder below arch/ with a Kconfig, then the other values of ARCH that the Makefile knows.
    pub fn architectures(&self) -> Result<Vec<Architecture>> {
        let mut found: Vec<Architecture> = entries(&self.path.join("arch"))?
            .into_iter()
            .filter(|path| path.join("Kconfig").is_file())
            .map(|path| name(&path))
            .map(|name| Architecture { folder: name.clone(), name })
            .collect();
        let variants: Vec<Architecture> = VARIANTS
            .iter()
            .filter(|(_, folder)| found.iter().any(|known| known.folder == *folder))
            .map(|(name, folder)| Architecture { name: name.to_string(), folder: folder.to_string() })
            .collect();
        found.extend(variants);
        Ok(found)
    }

    /// Every file below arch/FOLDER/configs, fragments too: path below the tree.
    pub fn configurations(&self, folder: &str) -> Result<Vec<String>> {
        let top = self.path.join("arch").join(folder).join("configs");
        let mut found = Vec::new();
        if top.is_dir() {
            files(&top, &mut found)?;
        }
        let below = |path: &PathBuf| path.strip_prefix(&self.path).ok()?.to_str().map(String::from);
        let mut found: Vec<String> = found.iter().filter_map(below).collect();
        found.sort();
        Ok(found)
    }

    /// The environments in which the kernel's Makefile starts `conf` for these architectures, with the host's gcc and binutils
    /// whatever the architecture: of this process's environment only what compilers and interpreters need to be found goes in.
    /// `folder`: where it will run.
    ///
    /// # Errors
    /// The tree has no such architecture; gcc does not answer.
    pub fn environments(
        &self,
        architectures: &[Architecture],
        folder: &Path,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<(String, String)>>> {
        let base: Environment = ["PATH", "HOME", "RUSTUP_HOME", "CARGO_HOME"]
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)))
            .collect();
        // An empty prefix keeps an architecture's Makefile from looking for compilers of its own.
        let variables = [("CROSS_COMPILE".to_string(), String::new())];
        // It remembers what the compilers said: they are asked once for all architectures.
        let asked =
            LiveHost::new(folder, base, cancel).context(|| format!("cannot work in {}", folder.display()))?;
        let mut ask = |command: &str| {
            let output = asked.answer(command).context(|| format!("cannot run {command}"))?;
            Ok(String::from_utf8_lossy(&output).into_owned())
        };
        let text = |value: &OsStr| value.to_string_lossy().into_owned();
        let of = |architecture: &Architecture| {
            let tree = engine::kconfig_host::Tree {
                source: &self.path,
                objects: folder,
                arch: &architecture.name,
                variables: &variables,
            };
            let made = tree_environment(&tree, asked.variables(), &mut ask)?;
            Ok(made.iter().map(|(name, value)| (text(name), text(value))).collect())
        };
        architectures.iter().map(of).collect()
    }
}

/// KERNELVERSION from the first lines of the Makefile.
fn version(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        let line =
            makefile.lines().take(10).find(|line| line.split('=').next().unwrap_or("").trim() == name)?;
        Some(line.split_once('=')?.1.trim().to_string())
    };
    let mut version = field("VERSION")?;
    for name in ["PATCHLEVEL", "SUBLEVEL"] {
        match field(name) {
            Some(value) if !value.is_empty() => version += &format!(".{value}"),
            _ => break,
        }
    }
    Some(version + &field("EXTRAVERSION").unwrap_or_default())
}

/// What Kconfig reads or runs: files named Kconfig…, everything below scripts, configurations, tools of architectures.
fn digest(tree: &Path, version: &str) -> Result<String> {
    let mut found = Vec::new();
    files(tree, &mut found)?;
    let mut kept: Vec<(String, PathBuf)> = found
        .into_iter()
        .filter_map(|path| Some((path.strip_prefix(tree).ok()?.to_str()?.to_string(), path)))
        .filter(|(below, _)| matters(below))
        .collect();
    kept.sort();
    let mut hash = Hash::default();
    hash.add(version.as_bytes());
    for (below, path) in kept {
        // A link may point nowhere; then its name alone counts.
        hash.add(below.as_bytes()).add(&std::fs::read(&path).unwrap_or_default());
    }
    Ok(hash.finish())
}

fn matters(below: &str) -> bool {
    let last = below.rsplit('/').next().unwrap_or(below);
    let tools = below.starts_with("arch/") && (below.contains("/configs/") || below.contains("/tools/"));
    last.starts_with("Kconfig")
        || below.starts_with("scripts/")
        || below.starts_with("kernel/configs/")
        || tools
}

/// All files below `folder`, links not followed.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).context(cannot)? {
        let entry = entry.context(cannot)?;
        if entry.file_type().context(cannot)?.is_dir() {
            files(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).context(cannot)? {
        found.push(entry.context(cannot)?.path());
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_make_kernelversion_prints() {
        let makefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 9\nEXTRAVERSION = -rc1\nNAME = x\n";
        assert_eq!(version(makefile).unwrap(), "6.12.9-rc1");
        assert_eq!(version("VERSION = 7\nPATCHLEVEL = 0\nSUBLEVEL =\nEXTRAVERSION =\n").unwrap(), "7.0");
        assert_eq!(version("all:\n\ttrue\n"), None);
    }

    #[test]
    fn the_digest_follows_kconfig_files_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("fs")).unwrap();
        std::fs::write(folder.path().join("fs/Kconfig.binfmt"), "config A\n").unwrap();
        let first = digest(folder.path(), "1.0").unwrap();
        std::fs::write(folder.path().join("fs/exec.c"), "int x;\n").unwrap();
        assert_eq!(digest(folder.path(), "1.0").unwrap(), first);
        std::fs::write(folder.path().join("fs/Kconfig.binfmt"), "config B\n").unwrap();
        assert_ne!(digest(folder.path(), "1.0").unwrap(), first);
        assert_ne!(digest(folder.path(), "1.1").unwrap(), digest(folder.path(), "1.0").unwrap());
    }
}

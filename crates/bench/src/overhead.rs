//! `allno build` with only the kernel to make, against bare `make` of the same configuration on the same source: both from
//! nothing, both without a compiler cache, in turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Context, Error, Result};

use crate::rival::{built, ratio, shown, text};

const LIMIT: Duration = Duration::from_secs(4 * 3600);

pub fn measure(allno: &Path, pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let config = built_config(allno, folder.path())?;
    let store = store_of(&config)?;
    let source = kernel_source(store)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        let fresh = tempfile::tempdir_in(store.join("scratch")).context(|| "no scratch folder".into())?;
        copy_without_kernel(store, fresh.path())?;
        let began = Instant::now();
        run(Program::new(allno)
            .args(["build", "--offline", "--store"])
            .arg(fresh.path())
            .directory(folder.path()))?;
        ours.push(began.elapsed());
        let objects = tempfile::tempdir_in(store.join("scratch")).context(|| "no scratch folder".into())?;
        bare.push(make(&source, objects.path(), &config)?);
        println!("pair {pair}: {:.1} s, {:.1} s", ours[pair - 1].as_secs_f64(), bare[pair - 1].as_secs_f64());
    }
    println!("\nthe node's kernel from nothing, no compiler cache, median of {pairs}");
    println!("  allno build   {}", shown(&ours));
    println!("  make          {}", shown(&bare));
    println!("  ratio         {:.4}", ratio(&ours, &bare));
    Ok(())
}

/// The configuration of the node's kernel, which `allno build` in `folder` made.
fn built_config(allno: &Path, folder: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(text(&built(allno, folder)?, "config")?))
}

/// The store that keeps a kernel's configuration as artifacts/kernel-…/tree/config.
fn store_of(config: &Path) -> Result<&Path> {
    config.ancestors().nth(4).ok_or_else(|| Error::failed("the store is not where it was"))
}

/// The store that `allno build` in `folder` has just filled.
pub fn built_store(allno: &Path, folder: &Path) -> Result<PathBuf> {
    Ok(store_of(&built_config(allno, folder)?)?.to_path_buf())
}

fn run(program: Program) -> Result<()> {
    program.env("CCACHE_DISABLE", "1").succeed(LIMIT, &Cancel::new()).map(drop)
}

/// The newest unpacked source that the store's kernel can have come from.
pub fn kernel_source(store: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(store.join("artifacts")).context(|| "cannot read the store".into())?;
    let mut trees: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("linux-source-"))
        .map(|entry| entry.path().join("tree"))
        .filter(|tree| {
            std::fs::read_to_string(tree.join("Makefile"))
                .is_ok_and(|text| text.contains("PATCHLEVEL = 12\n"))
        })
        .collect();
    trees.sort();
    trees.pop().ok_or_else(|| Error::failed("no kernel source in the store"))
}

/// A store with everything but kernels and object trees, hard-linked.
pub fn copy_without_kernel(store: &Path, fresh: &Path) -> Result<()> {
    let link = |from: &Path, to: &Path| run(Program::new("cp").arg("-al").arg(from).arg(to));
    link(&store.join("sources"), &fresh.join("sources"))?;
    std::fs::create_dir(fresh.join("artifacts")).context(|| "cannot make a folder".into())?;
    for entry in
        std::fs::read_dir(store.join("artifacts")).context(|| "cannot read the store".into())?.flatten()
    {
        if !entry.file_name().to_string_lossy().starts_with("kernel-") {
            link(&entry.path(), &fresh.join("artifacts").join(entry.file_name()))?;
        }
    }
    for name in ["version", "host.json"] {
        if store.join(name).exists() {
            link(&store.join(name), &fresh.join(name))?;
        }
    }
    Ok(())
}

/// What a person would type: copy the .config, olddefconfig, make.
pub fn make(source: &Path, objects: &Path, config: &Path) -> Result<Duration> {
    std::fs::copy(config, objects.join(".config")).context(|| "cannot copy the .config".into())?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let make = |targets: &[&str]| {
        let output = format!("O={}", objects.display());
        run(Program::new("make").arg("-C").arg(source).args([output.as_str(), "ARCH=x86"]).args(targets))
    };
    let began = Instant::now();
    make(&["olddefconfig"])?;
    make(&[&format!("-j{jobs}"), "bzImage"])?;
    Ok(began.elapsed())
}

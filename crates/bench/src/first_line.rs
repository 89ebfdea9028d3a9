//! QEMU's start to the first line that /init writes: our kernel and Debian's cloud kernel, the same machine, the same
//! initramfs, in turn.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Events, Result};
use store::{FetchOptions, Origin, Source, Store};

use crate::rival::{built, qemu, ratio, replace, shown, text, until};

const LINE: &str = "init: process 1 is running";
const LIMIT: Duration = Duration::from_secs(60);
/// Debian's kernel gets the console it needs and nothing that would slow it; our own words for a TCG guest would stop it.
const DEBIAN_APPEND: &str = "console=ttyS0 panic=-1";

pub fn measure(allno: &Path, pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let built = built(allno, folder.path())?;
    let ours = qemu(&built)?;
    let mut debian = ours.clone();
    let kernel = debian_kernel(folder.path())?;
    replace(&mut debian, "-kernel", &kernel.display().to_string())?;
    let khz = text(&built, "append")?;
    let clock =
        khz.split(' ').find(|word| word.starts_with("tsc_early_khz=")).unwrap_or_default().to_string();
    replace(&mut debian, "-append", format!("{DEBIAN_APPEND} {clock}").trim())?;
    println!("ours    {}\n", shell(&ours));
    println!("Debian  {}\n", shell(&debian));
    let (mut our_times, mut debian_times) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        let first = until(&ours, LINE, LIMIT)?.0;
        let second = until(&debian, LINE, LIMIT)?.0;
        println!("pair {pair}: {:.3} s, {:.3} s", first.as_secs_f64(), second.as_secs_f64());
        our_times.push(first);
        debian_times.push(second);
    }
    println!("\nto init's first line, median of {pairs}");
    println!("  ours    {}", shown(&our_times));
    println!("  Debian  {}", shown(&debian_times));
    println!("  ratio   {:.3}", ratio(&our_times, &debian_times));
    // What a host that does other things as well disturbs least.
    if let (Some(our_least), Some(debian_least)) = (our_times.iter().min(), debian_times.iter().min()) {
        println!("  ratio   {:.3} of the fastest", our_least.as_secs_f64() / debian_least.as_secs_f64());
    }
    Ok(())
}

fn shell(words: &[String]) -> String {
    Program::new(&words[0]).args(&words[1..]).shell_line()
}

/// The kernel of the newest linux-image-cloud-amd64, out of Debian's package; unpacked into `folder`.
fn debian_kernel(folder: &Path) -> Result<PathBuf> {
    let cancel = Cancel::new();
    let source = Source {
        name: "linux-image-cloud".into(),
        version: String::new(),
        file: "linux-image-cloud.deb".into(),
        sha256: None,
        origins: vec![Origin::DebianBehind { meta: "linux-image-cloud-amd64".into() }],
    };
    let store = Store::open(store::default_root()?)?;
    let fetched = store.fetch(&source, &FetchOptions::default(), &Events::silent(), &cancel)?;
    let image = folder.join("image");
    store::unpack_package(&fetched.path, &image, &cancel)?;
    find(&image.join("boot"), &|name| name.starts_with("vmlinuz"))
}

fn find(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(wanted))
        .ok_or_else(|| Error::failed(format!("nothing fitting in {}", folder.display())))
}

//! An edit of /init to its assertion on the console: the whole of `allno boot --check` after the edit, against QEMU
//! started by hand on the very files and ended once the text is there; and the same edit made to an archive of one's own by
//! `allno initramfs edit`, which `allno boot --initramfs` then boots.

use std::path::Path;
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use serde_json::Value;

use crate::rival::{built, qemu, ratio, shown, text, until};

const LIMIT: Duration = Duration::from_secs(60);

pub fn measure(allno: &Path, pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let folder = folder.path();
    let (mut ours, mut bare, mut bare_text, mut archive) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=pairs {
        let line = format!("edit number {pair}");
        write(folder, &line)?;
        let ours_now = timed(allno, folder, &[&["boot", "--check"]])?;
        let (to_text, to_end) = until(&qemu(&built(allno, folder)?)?, &line, LIMIT)?;
        // The first pair warms all up (it may even build the kernel).
        if pair > 0 {
            let shown = [ours_now, to_end].map(|time| format!("{:.3} s", time.as_secs_f64()));
            println!("pair {pair}: {}", shown.join(", "));
            ours.push(ours_now);
            bare.push(to_end);
            bare_text.push(to_text);
        }
    }
    // Apart from the pairs: a boot straight after these was some milliseconds slower, and it would always be ours.
    copy_archive(&built(allno, folder)?, &folder.join("my.img"))?;
    for edit in 0..pairs {
        write(folder, &format!("archive number {edit}"))?;
        let edit = ["initramfs", "edit", "my.img", "init", "--with", "init"];
        archive.push(timed(allno, folder, &[&edit, &["boot", "--check", "--initramfs", "my.img"]])?);
    }
    println!("\nedit of /init to its assertion, QEMU ended, median of {pairs}");
    println!("  allno boot --check   {}", shown(&ours));
    println!("  QEMU by hand         {}   (text after {})", shown(&bare), shown(&bare_text));
    println!("  ratio                {:.3}", ratio(&ours, &bare));
    println!("  allno initramfs edit, then allno boot --check --initramfs   {}", shown(&archive));
    Ok(())
}

/// The packed initramfs as a file of one's own: what the store holds may not be written, the copy may.
fn copy_archive(built: &Value, to: &Path) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::copy(text(built, "initramfs")?, to)
        .and_then(|_| std::fs::set_permissions(to, mode))
        .context(|| format!("cannot write {}", to.display()))
}

/// How long these calls of allno take, one after the other.
fn timed(allno: &Path, folder: &Path, calls: &[&[&str]]) -> Result<Duration> {
    let began = Instant::now();
    for call in calls {
        let program = Program::new(allno).args(*call).directory(folder);
        let captured = program.capture(Duration::from_secs(3600), &Cancel::new())?;
        if !captured.status.success() {
            let failed = Error::failed(format!("allno {} failed", call.join(" ")));
            return Err(failed.output(captured.stderr.lines().map(String::from)));
        }
    }
    Ok(began.elapsed())
}

/// A node whose /init says `line` and nothing else: the kernel and the programs stay what they are.
fn write(folder: &Path, line: &str) -> Result<()> {
    let spec = format!("[initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"{line}\"\n");
    let init = format!("#!/bin/sh\necho \"{line}\"\nexec sleep 1000\n");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
    write("allno.toml", spec).and_then(|()| write("init", init)).context(|| "cannot write the spec".into())
}

//! An edit of /init to its assertion on the console: the whole of `allno boot --check` after the edit, against QEMU
//! started by hand on the very files and ended once the text is there.

use std::path::Path;
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Context, Error, Result};

use crate::rival::{built, qemu, ratio, shown, until};

const LIMIT: Duration = Duration::from_secs(60);

pub fn measure(allno: &Path, pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let (mut ours, mut bare, mut bare_text) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=pairs {
        let line = format!("edit number {pair}");
        write(folder.path(), &line)?;
        let began = Instant::now();
        let captured = Program::new(allno)
            .args(["boot", "--check"])
            .directory(folder.path())
            .capture(Duration::from_secs(3600), &Cancel::new())?;
        let ours_now = began.elapsed();
        if !captured.status.success() {
            return Err(Error::failed("the boot failed").output(captured.stderr.lines().map(String::from)));
        }
        let words = qemu(&built(allno, folder.path())?)?;
        let (to_text, to_end) = until(&words, &line, LIMIT)?;
        // The first pair warms both up (it may even build the kernel).
        if pair > 0 {
            println!("pair {pair}: {:.3} s, {:.3} s", ours_now.as_secs_f64(), to_end.as_secs_f64());
            ours.push(ours_now);
            bare.push(to_end);
            bare_text.push(to_text);
        }
    }
    println!("\nedit of /init to its assertion, QEMU ended, median of {pairs}");
    println!("  allno boot --check   {}", shown(&ours));
    println!("  QEMU by hand         {}   (text after {})", shown(&bare), shown(&bare_text));
    println!("  ratio                {:.3}", ratio(&ours, &bare));
    Ok(())
}

/// A node whose /init says `line` and nothing else: the kernel and the programs stay what they are.
fn write(folder: &Path, line: &str) -> Result<()> {
    let spec = format!("[initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"{line}\"\n");
    let init = format!("#!/bin/sh\necho \"{line}\"\nexec sleep 1000\n");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
    write("allno.toml", spec).and_then(|()| write("init", init)).context(|| "cannot write the spec".into())
}

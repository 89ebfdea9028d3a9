//! `allno build`: the artifacts alone.

use base::Result;
use engine::{Built, Overrides};

use super::{Answer, Context};
use crate::arguments::Build;
use crate::terminal::{Look, Style};

/// Builds what is missing and says where everything is.
pub fn run(context: &Context, arguments: &Build) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let made = engine::make(&session, &spec, &Overrides::default(), arguments.update)?;
    let built = made.built(&spec)?;
    let look = Look::of_stdout(context.global.color);
    Answer::new(context.global, &built, || lines(&built, look))
}

/// One line per thing a person may want to take away.
fn lines(built: &Built, look: Look) -> String {
    let mut text = String::new();
    let mut line = |word: &str, value: String| {
        let padding = " ".repeat(11_usize.saturating_sub(word.len()));
        text.push_str(&format!("  {}{padding}{value}\n", look.paint(Style::Word, word)));
    };
    line("kernel", built.kernel.display().to_string());
    line("vmlinux", built.vmlinux.display().to_string());
    line("config", built.config.display().to_string());
    line("initramfs", built.initramfs.display().to_string());
    line("append", built.append.clone());
    if let Some(key) = &built.ssh_key {
        line("ssh key", key.display().to_string());
    }
    line("lock", built.lock.display().to_string());
    let words: Vec<String> = built.qemu.iter().map(|word| base::process::quote(word.as_ref())).collect();
    line("qemu", words.join(" "));
    text
}

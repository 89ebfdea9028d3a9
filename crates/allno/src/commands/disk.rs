//! `allno disk`: a disk that boots by itself.

use base::{Result, Size};
use engine::disk::{Made, Options, make};

use super::{Answer, Context};
use crate::arguments::Disk;
use crate::terminal::{Look, Style};

/// Makes what is missing and says where the image is, and how to start it.
pub fn run(context: &Context, arguments: &Disk) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let options = Options {
        format: arguments.format,
        size: arguments.size,
        import: arguments.import.clone(),
        output: arguments.output.clone(),
        update: arguments.update,
    };
    let made = make(&session, &spec, &options)?;
    let look = Look::of_stdout(context.global.color);
    Answer::new(context.global, &made, || lines(&made, look))
}

/// One line per thing a person may want to know.
fn lines(made: &Made, look: Look) -> String {
    let mut text = String::new();
    let mut line = |word: &str, value: String| {
        let padding = " ".repeat(11_usize.saturating_sub(word.len()));
        text.push_str(&format!("  {}{padding}{value}\n", look.paint(Style::Word, word)));
    };
    line("disk", format!("{}   {}, {}", made.image.display(), made.format.word(), Size(made.size)));
    line("kernel", format!("{}   {}", made.kernel.display(), made.kernel_version));
    line("append", made.append.clone());
    if let Some(packages) = &made.packages {
        line("packages", packages.display().to_string());
    }
    if let Some(key) = &made.ssh_key {
        line("ssh key", key.display().to_string());
        line("log in", format!("ssh -i {} -p {} root@127.0.0.1", key.display(), made.ssh_port));
    }
    if let Some(words) = made.qemu.get("uefi-virtio") {
        let words: Vec<String> = words.iter().map(|word| base::process::quote(word.as_ref())).collect();
        line("qemu", words.join(" "));
    }
    text
}

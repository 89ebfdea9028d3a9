//! `allno initramfs lint`: what would keep an archive from booting.

use std::os::unix::ffi::OsStrExt;

use base::Result;
use engine::lint::option_in;
use initramfs::{Finding, Severity};
use kconfig::DotConfig;
use serde_json::json;

use super::{odd_bytes, shown, text, unreadable};
use crate::arguments::InitramfsLint;
use crate::commands::config::read_config;
use crate::commands::{Answer, Context};
use crate::terminal::{Look, Style};

/// Says what is wrong. Exit code 0 if the kernel gets to run init, 1 if it does not, 2 if the archive cannot be read.
pub fn run(context: &Context, arguments: &InitramfsLint) -> Result<Answer> {
    let archive = &arguments.archive;
    let config = arguments.config.as_deref().map(read_config).transpose()?;
    let config = config.map(|(_, text)| DotConfig::parse(&String::from_utf8_lossy(&text)));
    let option = |name: &str| option_in(config.as_ref()?, name);
    let source = super::source::open(archive, &context.cancel)?;
    let options: Option<initramfs::Options> = if config.is_some() { Some(&option) } else { None };
    let init = arguments.rdinit.as_bytes();
    let found = initramfs::lint(source, init, options, || context.cancel.is_set())
        .map_err(|cause| unreadable(archive, cause))?;
    context.cancel.check()?;
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    let object = json!({
        "boots": errors == 0,
        "findings": found.iter().map(finding_object).collect::<Vec<_>>(),
    });
    let look = Look::of_stdout(context.global.color);
    let answer = Answer::new(context.global, &object, || match found.is_empty() {
        true => "nothing found that would keep it from booting\n".to_string(),
        false => found.iter().map(|finding| lines(finding, look)).collect(),
    })?;
    Ok(answer.with_code(u8::from(errors > 0)))
}

fn lines(finding: &Finding, look: Look) -> String {
    let (style, word) = match finding.severity {
        Severity::Error => (Style::Error, "error"),
        Severity::Warning => (Style::Warning, "warning"),
    };
    let path = finding.path.as_ref().map(|path| format!("/{}: ", shown(path))).unwrap_or_default();
    let head = look.paint(style, &format!("{word}[{}]", finding.code));
    let what = crate::terminal::tame(&finding.what);
    format!("{head} {path}{what}\n  try  {}\n", crate::terminal::tame(&finding.remedy))
}

/// docs/json.md, "initramfs lint".
fn finding_object(finding: &Finding) -> serde_json::Value {
    let path = finding.path.as_deref();
    json!({
        "code": finding.code,
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "name": path.map(text),
        "name_bytes": path.and_then(odd_bytes),
        "what": finding.what,
        "remedy": finding.remedy,
    })
}

//! What the linter finds in a node's initramfs, before its boot does.

use std::fs::File;
use std::sync::Arc;

use base::Cancel;
use initramfs::Severity;
use kconfig::{DotConfig, Value};
use serde::Serialize;

use crate::made::Made;

/// Something wrong with the initramfs that is booted; `allno boot --json` has them, see docs/json.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitramfsFinding {
    /// A word that stays the same: "no-init".
    pub code: &'static str,
    /// Whether the kernel does not get to run init for it.
    pub fatal: bool,
    /// What it is about, as "/path".
    pub name: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl InitramfsFinding {
    /// One line.
    pub fn line(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        format!("initramfs[{}] {name}{}; {}", self.code, self.what, self.remedy)
    }
}

/// Lints the initramfs against the kernel it was made for. An archive that cannot be read has no findings here: its boot tells.
pub fn findings(made: &Made, cancel: &Cancel) -> Vec<InitramfsFinding> {
    let config = std::fs::read_to_string(&made.kernel.config).unwrap_or_default();
    let config = DotConfig::parse(&config);
    let option = |name: &str| option_in(&config, name);
    let Ok(image) = File::open(&made.image.path) else { return Vec::new() };
    let init = rdinit(&made.append);
    let found = initramfs::lint(Arc::new(image), init.as_bytes(), Some(&option), || cancel.is_set());
    found.unwrap_or_default().into_iter().map(told).collect()
}

/// An option as the linter asks for it; `None` where it is off.
pub fn option_in(config: &DotConfig, name: &str) -> Option<String> {
    let value = config.value(name);
    (value != Value::No).then(|| value.to_string())
}

fn told(finding: initramfs::Finding) -> InitramfsFinding {
    InitramfsFinding {
        code: finding.code,
        fatal: finding.severity == Severity::Error,
        name: finding.path.map(|path| format!("/{}", String::from_utf8_lossy(&path))),
        what: finding.what,
        remedy: finding.remedy,
    }
}

/// The program the kernel starts: the last rdinit= counts (`rdinit_setup` in init/main.c).
fn rdinit(append: &str) -> &str {
    let mut words = append.split_whitespace().filter_map(|word| word.strip_prefix("rdinit="));
    words.next_back().filter(|path| !path.is_empty()).unwrap_or("/init")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rdinit_counts() {
        assert_eq!(rdinit("console=ttyS0 panic=1"), "/init");
        assert_eq!(rdinit("rdinit=/a quiet rdinit=/bin/sh"), "/bin/sh");
        assert_eq!(rdinit("rdinit="), "/init");
    }
}

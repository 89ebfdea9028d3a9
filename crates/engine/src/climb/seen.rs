//! What one boot showed, and which of its lines say why it failed.

use std::time::Duration;

use base::Result;
use serde::Deserialize;

use crate::data::LADDER_FOLDER;

/// Most lines of evidence kept of one boot.
pub(super) const EVIDENCE_LINES: usize = 4;
/// Most complaints kept of one boot: a guest that fills its console must not fill the host.
const MOST_COMPLAINTS: usize = 200;

/// `ladder/complaints.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Complaints {
    /// What a line that complains has somewhere, in lower case.
    words: Vec<String>,
}

/// What was seen of one boot.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether all that the proof expects came.
    pub passed: bool,
    /// The lines that show it: what was expected and came, or why it did not.
    pub lines: Vec<String>,
    /// The last of the console, of a boot that failed.
    pub last: Vec<String>,
    /// The lines of the console that complain of something, each once.
    pub complaints: Vec<String>,
    /// Whether the console stayed empty.
    pub silent: bool,
    /// The line that [`super::Below::Line`] looks for, if the console has it.
    pub below: Option<String>,
    /// From QEMU's start to the kernel's handing over to process 1, in milliseconds.
    pub init_ms: Option<u64>,
    /// How long it took in all.
    pub took: Duration,
}

impl Seen {
    pub fn of(passed: bool, lines: Vec<String>) -> Seen {
        Seen { passed, lines, ..Seen::default() }
    }

    /// What to show of a boot that failed: why, and the last of its console.
    pub fn evidence(&self) -> Vec<String> {
        self.shown(self.last.iter())
    }

    /// The same where `well`, the same machine with another kernel, did not fail: instead of the last lines those that complain of
    /// something `well` does not complain of, if there are any. The last of a console that ends in a panic says the least.
    pub fn evidence_beside(&self, well: &Seen) -> Vec<String> {
        let mut own = self.complaints.iter().filter(|line| !well.complaints.contains(line)).peekable();
        match own.peek() {
            Some(_) => self.shown(own.take(EVIDENCE_LINES)),
            None => self.evidence(),
        }
    }

    fn shown<'a>(&self, console: impl Iterator<Item = &'a String>) -> Vec<String> {
        if self.silent {
            return vec!["(not one byte on the console)".to_string()];
        }
        self.lines.iter().cloned().chain(console.map(|line| format!("| {line}"))).collect()
    }
}

/// The lines of a console that complain of something, each once, in their order.
pub(super) fn complaints(console: &str) -> Result<Vec<String>> {
    let (Complaints { words }, _) = LADDER_FOLDER.load("complaints")?;
    let mut found: Vec<String> = Vec::new();
    // A serial port that is opened anew sends bytes that are no text.
    let text =
        |line: &str| line.chars().filter(|it| !it.is_control() && *it != '\u{FFFD}').collect::<String>();
    for line in console.lines().map(|line| text(line).trim_end().to_string()) {
        if found.len() == MOST_COMPLAINTS {
            break;
        }
        let lower = line.to_lowercase();
        if words.iter().any(|word| lower.contains(word)) && !found.contains(&line) {
            found.push(line);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(passed: bool, console: &str) -> Seen {
        let last = console.lines().rev().take(1).map(str::to_string).collect();
        Seen { last, complaints: complaints(console).unwrap(), ..Seen::of(passed, vec!["why".to_string()]) }
    }

    #[test]
    fn what_the_other_kernel_does_not_complain_of_says_most() {
        let well = boot(true, "rtc: probe failed\nRun /init\nhello\n");
        let worse = "rtc: probe failed\nCommand line: panic=-1\nRun /init\nFailed to execute /init (error -8)\nFailed to execute /init (error -8)\n\
                     \0\u{FFFD}Kernel panic: No working init found.\r\nKernel Offset: disabled\n";
        assert_eq!(
            boot(false, worse).evidence_beside(&well),
            ["why", "| Failed to execute /init (error -8)", "| Kernel panic: No working init found."]
        );
        // Nothing to complain of: how far it came.
        let quiet = boot(false, "rtc: probe failed\nRun /init\n");
        assert_eq!(quiet.evidence_beside(&well), ["why", "| Run /init"]);
        let silent = Seen { silent: true, ..boot(false, "") };
        assert_eq!(silent.evidence_beside(&well), ["(not one byte on the console)"]);
    }
}

//! What earlier runs found, one JSON object a line, appended and flushed: an interrupted run loses only what was under way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use base::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a comparison of a unit found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compared {
    /// The unit.
    pub unit: String,
    /// Whether the C tool was started afresh too.
    pub fresh: bool,
    /// Each step.
    pub steps: Vec<Verdict>,
}

/// What a comparison of a step found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The step.
    pub step: String,
    /// Exit code and files are the same.
    pub answer: bool,
    /// The C tool printed without end, so there is nothing to compare with.
    #[serde(default)]
    pub endless: bool,
    /// What was printed is the same.
    pub messages: bool,
    /// The digest of the C tool's files.
    pub digest: String,
    /// How long the C tool took, milliseconds.
    pub theirs: u64,
    /// How long the other one took, milliseconds.
    pub ours: u64,
    /// The first differing lines, and the commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<String>,
}

/// A file of comparisons; the last one of a unit counts.
pub struct Ledger {
    known: BTreeMap<String, Compared>,
    file: File,
    path: PathBuf,
}

impl Ledger {
    /// Reads the file, if it is there. A line that was cut off is ended and left alone.
    pub fn open(path: &Path) -> Result<Ledger> {
        let cannot = || format!("cannot use {}", path.display());
        let known = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(cause) => return Err(cause).context(cannot),
        };
        let mut file = File::options().create(true).append(true).open(path).context(cannot)?;
        if known.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n").context(cannot)?;
        }
        let lines = known.split(|byte| *byte == b'\n');
        let known = lines
            .filter_map(|line| serde_json::from_slice::<Compared>(line).ok())
            .map(|compared| (compared.unit.clone(), compared))
            .collect();
        Ok(Ledger { known, file, path: path.to_path_buf() })
    }

    /// What is known of a unit.
    pub fn get(&self, unit: &str) -> Option<&Compared> {
        self.known.get(unit)
    }

    /// Appends a comparison.
    pub fn add(&mut self, compared: Compared) -> Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        let mut line = serde_json::to_vec(&compared).map_err(std::io::Error::from).context(cannot)?;
        line.push(b'\n');
        self.file.write_all(&line).context(cannot)?;
        self.known.insert(compared.unit.clone(), compared);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(unit: &str) -> Compared {
        let (step, digest) = ("olddefconfig".to_string(), "0".to_string());
        let verdict = Verdict {
            step,
            answer: true,
            endless: false,
            messages: true,
            digest,
            theirs: 1,
            ours: 1,
            difference: Vec::new(),
        };
        Compared { unit: unit.into(), fresh: true, steps: vec![verdict] }
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        Ledger::open(&path).unwrap().add(entry("a")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.get("a").is_some());
        ledger.add(entry("b")).unwrap();
        let again = Ledger::open(&path).unwrap();
        assert!(again.get("a").is_some() && again.get("b").is_some());
    }
}

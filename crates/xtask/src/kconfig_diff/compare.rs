//! A unit through both tools, and what differs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::{Cancel, Result};

use super::corpus::{Step, Unit};
use super::ledger::{Compared, Verdict};
use super::server::Server;
use super::step::{Outcome, Place, Tool, command, lay_out, prepared, run};

/// Differing lines shown per file and side.
const LINES: usize = 8;
/// Columns shown of a line.
const COLUMNS: usize = 160;
/// So many differing steps keep their files.
const KEPT: usize = 300;
/// So many steps that differ in their messages alone do.
const KEPT_MESSAGES: usize = 60;

/// What is compared with the C tool.
#[derive(Clone, Debug)]
pub enum Other {
    /// `allno conf`.
    Allno(PathBuf),
    /// Another program that takes conf's arguments.
    Conf(PathBuf),
}

/// Everything a comparison needs beside its unit.
pub struct Ground {
    /// The C tool.
    pub conf: PathBuf,
    /// The C tool that reads the Kconfig files once (many.c).
    pub many: PathBuf,
    /// The other one.
    pub other: Other,
    /// The environment of each architecture.
    pub environments: Vec<Vec<(String, String)>>,
    /// The tree, for commands that are shown.
    pub tree: PathBuf,
    /// Where allno's store and the files of differences are.
    pub scratch: PathBuf,
    /// The deadline of each run.
    pub limit: Duration,
    /// Steps whose files were kept.
    pub kept: AtomicUsize,
    /// Those that differ in their messages alone.
    pub kept_messages: AtomicUsize,
}

impl Ground {
    /// The other tool: its path, arguments before the step's, and its environment. allno keeps answers of probes in its
    /// store; where the C tool starts afresh, allno begins with an empty one.
    fn ours(&self, unit: &Unit, folder: &Path) -> (&Path, &'static [&'static str], Vec<(String, String)>) {
        match &self.other {
            Other::Conf(program) => (program, &[], Vec::new()),
            Other::Allno(program) => {
                let store = if unit.fresh { folder.join("empty-store") } else { self.scratch.join("store") };
                let store = store.to_string_lossy().into_owned();
                (program, &["conf"], vec![("ALLNO_STORE".to_string(), store)])
            }
        }
    }

    /// Keeps the files of a step that differs, and says where and how to run it again.
    fn keep(
        &self,
        unit: &Unit,
        step: &Step,
        before: &BTreeMap<String, Vec<u8>>,
        (theirs, ours): (&Outcome, &Outcome),
        verdict: &mut Verdict,
    ) -> Result<()> {
        let tree = self.tree.display();
        verdict
            .difference
            .push(format!("again: cargo xtask kconfig-diff --tree {tree} --unit {}", unit.name));
        let (count, limit) = match verdict.answer {
            true => (&self.kept_messages, KEPT_MESSAGES),
            false => (&self.kept, KEPT),
        };
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            return Ok(());
        }
        let folder = self.scratch.join("different").join(unit.name.replace('/', "+")).join(&step.name);
        lay_out(&folder.join("before"), before)?;
        for (name, outcome) in [("theirs", theirs), ("ours", ours)] {
            let mut files = outcome.files.clone();
            files.insert("stdout".into(), outcome.stdout.clone());
            files.insert("stderr".into(), outcome.stderr.clone());
            lay_out(&folder.join(name), &files)?;
        }
        let inside = folder.join("before");
        let environment = &self.environments[unit.architecture];
        let (program, leading, more) = self.ours(unit, &folder);
        let line =
            |program, leading, more| command(program, leading, more, step, environment, &inside).shell_line();
        verdict.difference.push(format!("conf: {}", line(&self.conf, &[], &[])));
        verdict.difference.push(format!("the other: {}", line(program, leading, &more)));
        verdict.difference.push(format!("files: {}", folder.display()));
        Ok(())
    }
}

/// One thread's part: it keeps the C tool of one architecture under way.
pub struct Worker<'a> {
    ground: &'a Ground,
    folder: PathBuf,
    server: Option<(usize, Option<Server>)>,
}

impl<'a> Worker<'a> {
    /// A worker with a scratch folder of its own.
    pub fn new(ground: &'a Ground, folder: PathBuf) -> Worker<'a> {
        Worker { ground, folder, server: None }
    }

    /// Runs a unit through both tools.
    ///
    /// # Errors
    /// A tool cannot be run, or somebody asked to stop.
    pub fn compare(&mut self, unit: &Unit, cancel: &Cancel) -> Result<Compared> {
        let ground = self.ground;
        lay_out(&self.folder.join("empty-store"), &BTreeMap::new())?;
        let (mut first, mut last) = (Vec::new(), Outcome::default());
        let mut verdicts = Vec::new();
        for (at, step) in unit.steps.iter().enumerate() {
            let before = prepared(step, &first, &last);
            let (theirs, unlike) = self.theirs(unit, step, &before, cancel)?;
            let ours = self.ours(unit, step, &before, cancel)?;
            let mut verdict = Verdict {
                step: step.name.clone(),
                answer: ours.has_the_same_answer(&theirs, step.prints) && unlike.is_empty(),
                endless: theirs.is_endless() && ours.has_ended(),
                messages: ours.has_the_same_messages(&theirs),
                digest: theirs.digest(),
                theirs: theirs.milliseconds,
                ours: ours.milliseconds,
                difference: unlike,
            };
            if !verdict.answer || !verdict.messages {
                verdict.difference.extend(differences(&theirs, &ours));
                ground.keep(unit, step, &before, (&theirs, &ours), &mut verdict)?;
            }
            verdicts.push(verdict);
            if at == 0 {
                first = theirs.config().to_vec();
            }
            last = theirs;
        }
        Ok(Compared { unit: unit.name.clone(), fresh: unit.fresh, steps: verdicts })
    }

    /// The C tool's outcome; and for a unit that starts it afresh, what is otherwise when it is forked.
    fn theirs(
        &mut self,
        unit: &Unit,
        step: &Step,
        before: &BTreeMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<(Outcome, Vec<String>)> {
        let ground = self.ground;
        let folder = self.folder.join("theirs");
        let environment = &ground.environments[unit.architecture];
        let place = Place { environment, before, folder: &folder, limit: ground.limit };
        let forked = match self.server(unit.architecture, cancel)? {
            Some(server) => Some(run(Tool::Forked(server), step, &place, cancel)?),
            None => None,
        };
        if forked.as_ref().is_some_and(|outcome| outcome.ending.starts_with("did not end")) {
            self.server = None;
        }
        match forked {
            Some(forked) if !unit.fresh => Ok((forked, Vec::new())),
            forked => {
                let fresh = run(Tool::Fresh(&ground.conf, &[], &[]), step, &place, cancel)?;
                let mut unlike = forked.map_or(Vec::new(), |forked| differences(&fresh, &forked));
                if !unlike.is_empty() {
                    unlike.insert(0, "the C tool that read the Kconfig files once answers otherwise".into());
                }
                Ok((fresh, unlike))
            }
        }
    }

    fn ours(
        &self,
        unit: &Unit,
        step: &Step,
        before: &BTreeMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<Outcome> {
        let ground = self.ground;
        let folder = self.folder.join("ours");
        let environment = &ground.environments[unit.architecture];
        let place = Place { environment, before, folder: &folder, limit: ground.limit };
        let (program, leading, more) = ground.ours(unit, &self.folder);
        run(Tool::Fresh(program, leading, &more), step, &place, cancel)
    }

    /// The C tool that has read the Kconfig files of this architecture; `None` if it cannot.
    fn server(&mut self, architecture: usize, cancel: &Cancel) -> Result<Option<&mut Server>> {
        if self.server.as_ref().is_none_or(|(known, _)| *known != architecture) {
            // The old one ends before the new one starts.
            self.server = None;
            let environment = &self.ground.environments[architecture];
            let folder = self.folder.join("server");
            let server = Server::start(&self.ground.many, environment, &folder, cancel)?;
            self.server = Some((architecture, server));
        }
        Ok(self.server.as_mut().and_then(|(_, server)| server.as_mut()))
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.server = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What differs between two outcomes, most important first.
pub fn differences(theirs: &Outcome, ours: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.ending != ours.ending {
        found.push(format!("conf {}, the other {}", theirs.ending, ours.ending));
    }
    for (path, content) in &theirs.files {
        match ours.files.get(path) {
            None => found.push(format!("{path}: not written")),
            Some(other) => found.extend(different_lines(path, content, other)),
        }
    }
    let more = ours.files.keys().filter(|path| !theirs.files.contains_key(*path));
    found.extend(more.map(|path| format!("{path}: written, and not by conf")));
    if found.len() > 12 * LINES {
        let left = found.len() - 12 * LINES;
        found.truncate(12 * LINES);
        found.push(format!("and {left} lines more"));
    }
    found.extend(different_lines("stdout", &theirs.stdout, &ours.stdout));
    found.extend(different_lines("stderr", &theirs.stderr, &ours.stderr));
    found
}

/// The place where two texts begin to differ, and the first lines that only one of them has.
fn different_lines(name: &str, theirs: &[u8], ours: &[u8]) -> Vec<String> {
    if theirs == ours {
        return Vec::new();
    }
    let split = |text| <[u8]>::split(text, |byte: &u8| *byte == b'\n').collect::<Vec<&[u8]>>();
    let (their_lines, our_lines) = (split(theirs), split(ours));
    let at = their_lines.iter().zip(&our_lines).take_while(|(one, other)| one == other).count();
    let mut count: BTreeMap<&[u8], i64> = BTreeMap::new();
    their_lines.iter().for_each(|line| *count.entry(line).or_default() += 1);
    our_lines.iter().for_each(|line| *count.entry(line).or_default() -= 1);
    let only = |lines: &[&[u8]], sign: i64, mark: char| {
        let mut left = count.clone();
        let mut shown = Vec::new();
        for line in lines {
            let Some(count) = left.get_mut(line).filter(|count| **count * sign > 0) else { continue };
            *count -= sign;
            shown.push(format!("  {mark} {}", shorten(line)));
        }
        let total = shown.len();
        shown.truncate(LINES);
        if total > LINES {
            shown.push(format!("  {mark} … {total} lines in all"));
        }
        shown
    };
    let mut found = vec![format!("{name}, line {}: - conf, + the other", at + 1)];
    found.extend(only(&their_lines, 1, '-'));
    found.extend(only(&our_lines, -1, '+'));
    if found.len() == 1 {
        let line = |lines: &[&[u8]]| lines.get(at).map_or_else(|| "(end)".into(), |line| shorten(line));
        found.push(format!("  - {} (the same lines in another order)", line(&their_lines)));
        found.push(format!("  + {}", line(&our_lines)));
    }
    found
}

fn shorten(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(COLUMNS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests;

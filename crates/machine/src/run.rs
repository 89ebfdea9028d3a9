//! What a run leaves behind: a folder with the plan, the QEMU line, the console, the events and the result.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ssh::Access;

/// The link to the newest run, beside the runs.
const LATEST: &str = "latest";
/// Most runs that may begin in one second.
const SUFFIXES: u32 = 1000;

/// One run's folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    events: File,
}

/// A guest that runs, as `running.json` says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningGuest {
    /// QEMU's process id.
    pub id: u32,
    /// When that process began, in clock ticks since the host's boot (proc(5), /proc/PID/stat, field 22): ids are used
    /// again, a pair of id and beginning is not.
    pub start_ticks: u64,
    /// The host's boot the ticks count from (/proc/sys/kernel/random/boot_id).
    pub boot_id: String,
    /// How to reach it, if it can be reached.
    pub access: Option<Access>,
}

impl RunningGuest {
    /// Describes the process `id` that runs now.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(id: u32, access: Option<Access>) -> Result<RunningGuest> {
        let start_ticks =
            start_ticks(id).ok_or_else(|| Error::failed(format!("QEMU (process {id}) is gone already")))?;
        Ok(RunningGuest { id, start_ticks, boot_id: boot_id(), access })
    }

    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id() && start_ticks(self.id) == Some(self.start_ticks)
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

/// When a process began; `None` when it is gone or only waits to be reaped.
fn start_ticks(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold spaces and parentheses.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    // The state was field 3.
    fields.nth(22 - 4)?.parse().ok()
}

impl RunFolder {
    /// Makes a new folder in `runs`, named after `now` in UTC (2026-11-22T14-03-09, a second one in the same second -2),
    /// and points `latest` at it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(runs: &Path, now: SystemTime) -> Result<RunFolder> {
        let cannot = || format!("cannot make a run's folder in {}", runs.display());
        std::fs::create_dir_all(runs).context(cannot)?;
        let name = time_name(now);
        for attempt in 1..=SUFFIXES {
            let name = if attempt == 1 { name.clone() } else { format!("{name}-{attempt}") };
            let path = runs.join(&name);
            match std::fs::create_dir(&path) {
                Ok(()) => {
                    let events = File::create(path.join("events.jsonl")).context(cannot)?;
                    point_latest(runs, &name).context(cannot)?;
                    return Ok(RunFolder { path, events });
                }
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause).context(cannot),
            }
        }
        Err(Error::failed(cannot()).note("too many runs began in this second"))
    }

    /// Makes the folder `path` anew, for a run whose place is known beforehand; what an earlier run left in it goes.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn at(path: &Path) -> Result<RunFolder> {
        let cannot = || format!("cannot make the run's folder {}", path.display());
        match std::fs::remove_dir_all(path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause).context(cannot),
            _ => {}
        }
        std::fs::create_dir_all(path).context(cannot)?;
        let events = File::create(path.join("events.jsonl")).context(cannot)?;
        Ok(RunFolder { path: path.to_path_buf(), events })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the console is kept.
    pub fn console_log(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// Where QEMU's own words are kept.
    pub fn qemu_log(&self) -> PathBuf {
        self.path.join("qemu.log")
    }

    /// Where the guest's host key is kept.
    pub fn known_hosts(&self) -> PathBuf {
        self.path.join("known_hosts")
    }

    /// Writes plan.json.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_plan(&self, plan: &impl Serialize) -> Result<()> {
        self.write("plan.json", &json(plan)?)
    }

    /// Writes qemu.sh, which starts the same QEMU by hand.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_line(&self, shell_line: &str) -> Result<()> {
        self.write("qemu.sh", format!("#!/bin/sh\nexec {shell_line}\n").as_bytes())
    }

    /// Says in running.json that the guest runs, so that others find it ([`newest_running`]).
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_running(&self, running: &RunningGuest) -> Result<()> {
        self.write("running.json", &json(running)?)
    }

    /// Adds a line to events.jsonl: the seconds since QEMU's start, the event's name and its fields.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn event(&mut self, at: Duration, name: &str, fields: Map<String, Value>) -> Result<()> {
        let mut line = Map::new();
        line.insert("seconds".into(), ((at.as_secs_f64() * 1e6).round() / 1e6).into());
        line.insert("event".into(), name.into());
        line.extend(fields);
        let mut line = json(&line)?;
        line.retain(|&byte| byte != b'\n');
        line.push(b'\n');
        self.events.write_all(&line).context(|| format!("cannot write {}/events.jsonl", self.path.display()))
    }

    /// Writes result.json, the last thing of a run; a run without it did not finish. The guest no longer counts as
    /// running.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&self, result: &impl Serialize) -> Result<()> {
        let _ = std::fs::remove_file(self.path.join("running.json"));
        self.write("result.json", &json(result)?)
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        base::write_whole(&path, bytes).context(|| format!("cannot write {}", path.display()))
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|cause| Error::failed("a value has no JSON form").note(cause.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Replaces the link in one step. The name beside it is our process's own.
fn point_latest(runs: &Path, name: &str) -> std::io::Result<()> {
    let fresh = runs.join(format!(".latest-{}-{name}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    std::fs::rename(&fresh, runs.join(LATEST))
}

/// The newest run in `runs` whose guest still runs, with its folder.
pub fn newest_running(runs: &Path) -> Option<(PathBuf, RunningGuest)> {
    let mut folders: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(runs)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name() != LATEST)
        .filter_map(|entry| {
            Some((entry.path().join("running.json").metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    folders.sort();
    folders.into_iter().rev().find_map(|(_, folder)| {
        let text = std::fs::read(folder.join("running.json")).ok()?;
        let running: RunningGuest = serde_json::from_slice(&text).ok()?;
        running.is_alive().then_some((folder, running))
    })
}

/// A time as a file's name, in UTC: 2026-11-22T14-03-09.
fn time_name(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}")
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_times() {
        let at = |seconds| time_name(UNIX_EPOCH + Duration::from_secs(seconds));
        // Checked against date -u -d @N.
        assert_eq!(at(0), "1970-01-01T00-00-00");
        assert_eq!(at(951_782_400), "2000-02-29T00-00-00");
        assert_eq!(at(1_795_356_189), "2026-11-22T14-03-09");
        assert_eq!(at(4_107_542_399), "2100-02-28T23-59-59");
        assert_eq!(at(4_107_542_400), "2100-03-01T00-00-00");
    }

    #[test]
    fn a_run_leaves_its_files_and_latest_leads_to_it() {
        let scratch = tempfile::tempdir().unwrap();
        let runs = scratch.path().join("runs");
        let first = RunFolder::create(&runs, UNIX_EPOCH).unwrap();
        let mut second = RunFolder::create(&runs, UNIX_EPOCH).unwrap();
        assert_eq!(second.path(), runs.join("1970-01-01T00-00-00-2"));
        second.write_plan(&Map::from_iter([("a".to_string(), Value::from(1))])).unwrap();
        second.write_line("qemu -M 'a b'").unwrap();
        let fields = Map::from_iter([("text".to_string(), Value::from("a\nb"))]);
        second.event(Duration::from_millis(1500), "seen", fields).unwrap();
        let read = |name: &str| std::fs::read_to_string(runs.join("latest").join(name)).unwrap();
        assert_eq!(read("qemu.sh"), "#!/bin/sh\nexec qemu -M 'a b'\n");
        let event: Value = serde_json::from_str(read("events.jsonl").trim()).unwrap();
        assert_eq!(event, serde_json::json!({"seconds": 1.5, "event": "seen", "text": "a\nb"}));
        assert!(!second.path().join("result.json").exists());
        second.finish(&Value::from("passed")).unwrap();
        assert_eq!(read("result.json"), "\"passed\"\n");
        drop(first);
    }

    #[test]
    fn the_newest_living_guest_is_found_and_dead_ones_are_not() {
        let scratch = tempfile::tempdir().unwrap();
        let runs = scratch.path();
        let alive = RunFolder::create(runs, UNIX_EPOCH).unwrap();
        assert!(newest_running(runs).is_none());
        let ours = RunningGuest::of(std::process::id(), None).unwrap();
        alive.write_running(&ours).unwrap();
        let reused = RunFolder::create(runs, UNIX_EPOCH).unwrap();
        reused.write_running(&RunningGuest { start_ticks: ours.start_ticks + 1, ..ours.clone() }).unwrap();
        let rebooted = RunFolder::create(runs, UNIX_EPOCH).unwrap();
        rebooted.write_running(&RunningGuest { boot_id: "another".into(), ..ours.clone() }).unwrap();
        assert_eq!(newest_running(runs), Some((alive.path().to_path_buf(), ours)));
        alive.finish(&Value::Null).unwrap();
        assert!(newest_running(runs).is_none());
    }
}

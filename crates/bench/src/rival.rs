//! Running things and timing them.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(3600);

/// `allno build --json` in `folder`.
pub fn built(allno: &Path, folder: &Path) -> Result<Value> {
    let program = Program::new(allno).args(["build", "--json"]).directory(folder);
    let answer = program.succeed(LIMIT, &Cancel::new())?;
    serde_json::from_str(&answer).map_err(|cause| Error::failed("not JSON").note(cause.to_string()))
}

/// A text of the JSON object.
pub fn text(built: &Value, name: &str) -> Result<String> {
    let text = built[name].as_str().map(String::from);
    text.ok_or_else(|| Error::failed(format!("allno build --json has no {name}")))
}

/// QEMU's words, as allno would start it.
pub fn qemu(built: &Value) -> Result<Vec<String>> {
    let words = built["qemu"].as_array().ok_or_else(|| Error::failed("allno build --json has no qemu"))?;
    Ok(words.iter().filter_map(|word| word.as_str().map(String::from)).collect())
}

/// The word after `flag`, replaced.
pub fn replace(words: &mut [String], flag: &str, value: &str) -> Result<()> {
    let at = words.iter().position(|word| word == flag);
    let place = at.and_then(|at| words.get_mut(at + 1)).ok_or_else(|| Error::failed(format!("no {flag}")))?;
    *place = value.to_string();
    Ok(())
}

/// Starts QEMU by hand, reads its console until `wanted`, kills it and waits for it: the time to the text, and to the end.
pub fn until(words: &[String], wanted: &str, limit: Duration) -> Result<(Duration, Duration)> {
    let (mut reader, writer) = std::io::pipe().context(|| "no pipe".into())?;
    let began = Instant::now();
    let program = Program::new(&words[0]).args(&words[1..]);
    let mut running = program.start(Stdio::null(), writer.into(), Stdio::null(), false)?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    let found = loop {
        let left = limit.saturating_sub(began.elapsed());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut watched = [PollFd::new(&reader, PollFlags::IN)];
        match poll(&mut watched, Some(&timeout)) {
            Ok(0) | Err(_) => break None,
            Ok(_) => {}
        }
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => break None,
            Ok(count) => seen.extend_from_slice(&buffer[..count]),
        }
        if seen.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
            break Some(began.elapsed());
        }
    };
    running.kill();
    let ended = began.elapsed();
    let console = String::from_utf8_lossy(&seen);
    let last: Vec<String> = console.lines().rev().take(10).map(String::from).collect();
    found
        .map(|found| (found, ended))
        .ok_or_else(|| Error::failed(format!("\"{wanted}\" never came")).output(last.into_iter().rev()))
}

/// The middle value.
pub fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// "0.312 s (0.300 to 0.340)"
pub fn shown(times: &[Duration]) -> String {
    let least = times.iter().min().map_or(0.0, Duration::as_secs_f64);
    let most = times.iter().max().map_or(0.0, Duration::as_secs_f64);
    format!("{:.3} s ({least:.3} to {most:.3})", median(times).as_secs_f64())
}

/// The ratio of two medians.
pub fn ratio(ours: &[Duration], rivals: &[Duration]) -> f64 {
    median(ours).as_secs_f64() / median(rivals).as_secs_f64()
}

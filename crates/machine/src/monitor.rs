//! QEMU's monitor (QMP, docs/interop/qmp-spec): what the processor is doing while the console is silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base::{Cancel, Context, Error, Result};
use serde_json::{Value, json};

/// Longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 1 << 20;
/// Most events that may stand before an answer.
const EVENT_LIMIT: usize = 1000;
/// How often a wait for the socket looks again, and how long one read waits.
const INTERVAL: Duration = Duration::from_millis(50);

/// A connection to the monitor of one QEMU.
#[derive(Debug)]
pub struct Monitor {
    stream: BufReader<UnixStream>,
}

/// QEMU's words that open a monitor at `socket`, a path that does not exist yet.
pub fn arguments(socket: &Path) -> Vec<String> {
    let path = crate::qemu::double_commas(&socket.display().to_string());
    vec!["-qmp".to_string(), format!("unix:{path},server=on,wait=off")]
}

/// The processor at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// The address of the next instruction.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// Whether it runs 64-bit code.
    pub is_64_bit: bool,
}

impl Monitor {
    /// Connects to the monitor at `socket` within `limit`.
    ///
    /// # Errors
    /// QEMU does not open it in time, or what answers is no monitor.
    pub fn connect(socket: &Path, limit: Duration, cancel: &Cancel) -> Result<Monitor> {
        let deadline = Instant::now() + limit;
        let stream = loop {
            cancel.check()?;
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => std::thread::sleep(INTERVAL),
                Err(cause) => return Err(cause).context(|| no_monitor(socket)),
            }
        };
        let remaining = deadline.saturating_duration_since(Instant::now()).max(INTERVAL);
        let told = || no_monitor(socket);
        stream.set_read_timeout(Some(remaining)).context(told)?;
        stream.set_write_timeout(Some(remaining)).context(told)?;
        let mut monitor = Monitor { stream: BufReader::new(stream) };
        let greeting = monitor.read()?;
        if greeting.get("QMP").is_none() {
            return Err(Error::failed(no_monitor(socket)).note("what answers there is not QEMU's monitor"));
        }
        monitor.command("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Where the processor stands.
    ///
    /// # Errors
    /// QEMU does not answer, or in another form than expected.
    pub fn processor(&mut self) -> Result<Processor> {
        let text = self.human("info registers")?;
        let processor = parse_registers(&text);
        processor.ok_or_else(|| Error::failed("QEMU's register dump has another form").note(text))
    }

    /// The `count` words (of 4 or 8 bytes, as the processor runs) from `address` on, as the guest sees its memory. Fewer
    /// where the memory ends.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn words(&mut self, address: u64, count: usize, is_64_bit: bool) -> Result<Vec<u64>> {
        let size = if is_64_bit { 'g' } else { 'w' };
        Ok(parse_words(&self.human(&format!("x /{count}x{size} {address:#x}"))?))
    }

    /// One command of the human monitor.
    fn human(&mut self, line: &str) -> Result<String> {
        let answer = self.command("human-monitor-command", json!({ "command-line": line }))?;
        let text = answer.as_str().ok_or_else(|| Error::failed("QEMU's monitor answered without a text"))?;
        Ok(text.to_string())
    }

    fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let line = format!("{}\n", json!({ "execute": name, "arguments": arguments }));
        let told = || format!("QEMU's monitor does not take {name}");
        self.stream.get_mut().write_all(line.as_bytes()).context(told)?;
        for _ in 0..EVENT_LIMIT {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::failed(told()).note(error.to_string()));
            }
        }
        Err(Error::failed(told()).note("it sends events and no answer"))
    }

    /// One message, a line.
    fn read(&mut self) -> Result<Value> {
        let told = || "QEMU's monitor does not answer".to_string();
        let mut line = String::new();
        let count = (&mut self.stream).take(ANSWER_LIMIT).read_line(&mut line).context(told)?;
        if count == 0 {
            return Err(Error::failed(told()).note("QEMU has ended"));
        }
        serde_json::from_str(&line).map_err(|cause| Error::failed(told()).note(cause.to_string()))
    }
}

fn no_monitor(socket: &Path) -> String {
    format!("QEMU's monitor at {} cannot be reached", socket.display())
}

/// QEMU's "info registers" (target/i386/cpu-dump.c): `EIP=c1000000`, `ESP=…` or `RIP=`, `RSP=`.
fn parse_registers(text: &str) -> Option<Processor> {
    let value = |name: &str| {
        let at = text.find(name)? + name.len();
        let digits: String = text[at..].chars().take_while(char::is_ascii_hexdigit).collect();
        u64::from_str_radix(&digits, 16).ok()
    };
    match value("RIP=") {
        Some(instruction) => Some(Processor { instruction, stack: value("RSP=")?, is_64_bit: true }),
        None => Some(Processor { instruction: value("EIP=")?, stack: value("ESP=")?, is_64_bit: false }),
    }
}

/// QEMU's memory dump: lines `00000000c1000000: 0x12345678 0x…`; what cannot be accessed has no numbers.
fn parse_words(text: &str) -> Vec<u64> {
    let after = text.lines().filter_map(|line| line.split_once(": "));
    let words = after.flat_map(|(_, words)| words.split_whitespace());
    words.map_while(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_both_widths_are_read() {
        let narrow =
            "EAX=00000000 EBX=00000001\nESI=0 EDI=0 EBP=c1409f38 ESP=c1409f20\nEIP=c1002345 EFL=00000246";
        let expected = Processor { instruction: 0xc100_2345, stack: 0xc140_9f20, is_64_bit: false };
        assert_eq!(parse_registers(narrow), Some(expected));
        let wide = "RAX=0000000000000000\nRSI=1 RSP=ffffffff82003e10\nRIP=ffffffff8100beef RFL=0246";
        let found = parse_registers(wide).unwrap();
        assert!(found.is_64_bit && found.instruction == 0xffff_ffff_8100_beef);
        assert_eq!(parse_registers("nothing of the kind"), None);
    }

    #[test]
    fn memory_is_read_until_it_ends() {
        let text = "00000000c1409f20: 0x00000001 0xc1002345\r\n00000000c1409f28: 0xdeadbeef\r\nc1409f30: Cannot access memory";
        assert_eq!(parse_words(text), [1, 0xc100_2345, 0xdead_beef]);
    }
}

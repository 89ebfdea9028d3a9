//! Where the processor of a silent machine stands, by the monitor and System.map.

use std::path::Path;
use std::time::{Duration, Instant};

use base::{Cancel, Context, Error, Result};
use machine::monitor::{Monitor, Processor};

/// How long the monitor may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How often the processor is looked at.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often in a row it must stand there: a kernel that only passes through would be gone.
const TIMES: usize = 5;
/// How many words of the stack are searched for return addresses.
const STACK_WORDS: usize = 64;

/// Where it stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// In the function or in what it called, each time; a line for the last time.
    Inside(Vec<String>),
    /// Somewhere else when the time was up.
    Elsewhere(Vec<String>),
}

/// Looks until the processor has stood in `function`, or below it by the stack, several times in a row, or `limit` is up.
///
/// # Errors
/// No monitor; no System.map.
pub(super) fn find(
    socket: &Path,
    system_map: &Path,
    function: &str,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Standing> {
    let symbols = Symbols::read(system_map)?;
    let deadline = Instant::now() + limit;
    let mut monitor = Monitor::connect(socket, ANSWER_LIMIT, cancel)?;
    let mut inside = 0;
    loop {
        cancel.check()?;
        let processor = monitor.processor()?;
        let stack = monitor.words(processor.stack, STACK_WORDS, processor.is_64_bit)?;
        let chain = symbols.chain(&processor, &stack);
        let reached = chain.iter().position(|(name, _)| *name == function);
        let told = |count: usize| {
            let shown = chain.iter().take(count).map(|(name, offset)| format!("{name}+{offset:#x}"));
            format!("instruction {:#x}: {}", processor.instruction, shown.collect::<Vec<_>>().join(" < "))
        };
        inside = if reached.is_some() { inside + 1 } else { 0 };
        match reached {
            Some(at) if inside >= TIMES => {
                let times = format!("{TIMES} looks, {} ms apart, all in {function}", INTERVAL.as_millis());
                return Ok(Standing::Inside(vec![told(at + 1), times]));
            }
            _ if Instant::now() > deadline => return Ok(Standing::Elsewhere(vec![told(6)])),
            _ => std::thread::sleep(INTERVAL),
        }
    }
}

/// The kernel's functions by address.
struct Symbols(Vec<(u64, String)>);

impl Symbols {
    /// Reads System.map: `c1000000 T startup_32`, sorted by address; of text alone.
    fn read(path: &Path) -> Result<Symbols> {
        let text = std::fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))?;
        let symbol = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            matches!(words.next()?, "t" | "T").then_some((address, words.next()?.to_string()))
        };
        let mut symbols: Vec<(u64, String)> = text.lines().filter_map(symbol).collect();
        symbols.sort();
        match symbols.is_empty() {
            true => Err(Error::failed(format!("{} names no function", path.display()))),
            false => Ok(Symbols(symbols)),
        }
    }

    /// The function an address lies in, and how far; `None` outside the kernel's text.
    fn function(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.0.partition_point(|(start, _)| *start <= address);
        let (start, name) = self.0.get(after.checked_sub(1)?)?;
        // The last symbol ends the text, whatever lies behind it.
        (after < self.0.len()).then_some((name.as_str(), address - start))
    }

    /// Where the processor stands, and what on its stack reads as a return into a function, innermost first.
    fn chain(&self, processor: &Processor, stack: &[u64]) -> Vec<(&str, u64)> {
        let returns = stack.iter().filter_map(|&word| self.function(word)).filter(|(_, offset)| *offset > 0);
        self.function(processor.instruction).into_iter().chain(returns).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_by_the_function_it_lies_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("System.map");
        std::fs::write(&path, "c1000000 T startup\nc1000100 t panic\nc1000200 D data\nc1000300 T _etext\n")
            .unwrap();
        let symbols = Symbols::read(&path).unwrap();
        assert_eq!(symbols.function(0xc100_0123), Some(("panic", 0x23)));
        assert_eq!(symbols.function(0xc0ff_ffff), None);
        assert_eq!(symbols.function(0xd000_0000), None);
        let processor = Processor { instruction: 0xc100_0010, stack: 0, is_64_bit: false };
        let chain = symbols.chain(&processor, &[1, 0xc100_0100, 0xc100_0180]);
        assert_eq!(chain, [("startup", 0x10), ("panic", 0x80)]);
        std::fs::write(&path, "no symbols\n").unwrap();
        assert!(Symbols::read(&path).is_err());
    }
}

//! What a program prints, line by line.

use std::fs::File;
use std::io::Write;

use super::LAST_LINES;
use crate::{Context, Result};

/// Longest line kept for an error or a callback, in bytes; the log keeps all.
const LINE_LIMIT: usize = 4096;

/// Splits a stream into lines, keeps the last ones, and copies all to the log.
pub struct Lines<'a> {
    log: File,
    partial: Vec<u8>,
    /// The last lines, at most [`LAST_LINES`].
    pub last: std::collections::VecDeque<String>,
    on_line: &'a mut dyn FnMut(&str),
}

impl<'a> Lines<'a> {
    /// Copies to `log`; tells `on_line` of each line.
    pub fn new(log: File, on_line: &'a mut dyn FnMut(&str)) -> Lines<'a> {
        Lines { log, partial: Vec::new(), last: Default::default(), on_line }
    }

    /// The next bytes of the stream.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.log.write_all(bytes).context(|| "cannot write a build log".into())?;
        for &byte in bytes {
            if byte == b'\n' {
                self.finish();
            } else if self.partial.len() < LINE_LIMIT {
                self.partial.push(byte);
            }
        }
        Ok(())
    }

    /// The line that has begun, if one has, is over.
    pub fn finish(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_string();
        self.partial.clear();
        (self.on_line)(&line);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

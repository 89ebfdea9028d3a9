//! What `conf` has beside a host: files to write, and three streams with the habits of C's stdio.

use std::fs;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use kconfig::host::{ConfHost, Host, ShellAnswer};

use super::{LiveHost, ReplayHost};

/// How much stdio gathers for a pipe or a file before it writes (glibc: `st_blksize`, on a pipe and most files 4096).
const BLOCK: usize = 4096;

/// A host whose files are in a folder that can be written.
pub trait WorldHost: Host {
    /// The folder that relative paths start from.
    fn folder(&self) -> &Path;
}

impl WorldHost for LiveHost {
    fn folder(&self) -> &Path {
        LiveHost::folder(self)
    }
}

impl WorldHost for ReplayHost {
    fn folder(&self) -> &Path {
        ReplayHost::folder(self)
    }
}

/// A host for `conf`. Standard output is gathered in blocks, as stdio does for a pipe, or written line by line to a terminal; it
/// is written out before input is read, as conf.c does, and when this is dropped. Standard error is written at once.
pub struct ConfStreams<World: WorldHost> {
    world: World,
    input: Box<dyn BufRead + Send>,
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    gathered: Vec<u8>,
    by_line: bool,
    on_terminal: bool,
    ended: bool,
    broken: bool,
}

impl<World: WorldHost> ConfStreams<World> {
    /// A `conf` in `world` that reads `input` and writes `output` and `errors`.
    pub fn new(
        world: World,
        input: impl BufRead + Send + 'static,
        output: impl Write + Send + 'static,
        errors: impl Write + Send + 'static,
    ) -> ConfStreams<World> {
        ConfStreams {
            world,
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(errors),
            gathered: Vec::new(),
            by_line: false,
            on_terminal: false,
            ended: false,
            broken: false,
        }
    }

    /// Says that standard output is a terminal, and whether standard input is one too.
    pub fn on_terminal(mut self, output: bool, input: bool) -> ConfStreams<World> {
        self.by_line = output;
        self.on_terminal = output && input;
        self
    }

    /// Whether somebody closed the other end of standard output, for which a C program would have been killed (SIGPIPE).
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The host.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Writes out what was gathered.
    pub fn flush(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        self.write_out(&gathered);
    }

    fn write_out(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.broken {
            return;
        }
        let written = self.output.write_all(bytes).and_then(|()| self.output.flush());
        // As in C, where nobody looks at what printf(3) returns: any other failure is not told.
        self.broken |= written.is_err_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
    }

    fn place(&self, path: &str) -> PathBuf {
        self.world.folder().join(path)
    }
}

impl<World: WorldHost> Drop for ConfStreams<World> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl<World: WorldHost> Host for ConfStreams<World> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.world.read(path)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.world.environment(name)
    }

    fn ask(&self, command: &str) -> Option<ShellAnswer> {
        self.world.ask(command)
    }

    fn finish(&self) -> io::Result<()> {
        self.world.finish()
    }
}

impl<World: WorldHost> ConfHost for ConfStreams<World> {
    fn exists(&self, path: &str) -> bool {
        fs::metadata(self.place(path)).is_ok()
    }

    fn is_folder(&self, path: &str) -> bool {
        fs::metadata(self.place(path)).is_ok_and(|it| it.is_dir())
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        fs::write(self.place(path), content)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.place(from), self.place(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.place(path))
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        // make_parent_dir() of confdata.c.
        fs::DirBuilder::new().mode(0o755).create(self.place(path))
    }

    fn say(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        let ready = match self.by_line {
            true => self.gathered.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
            false => self.gathered.len() / BLOCK * BLOCK,
        };
        let rest = self.gathered.split_off(ready);
        let ready = std::mem::replace(&mut self.gathered, rest);
        self.write_out(&ready);
    }

    fn complain(&mut self, bytes: &[u8]) {
        let _ = self.errors.write_all(bytes).and_then(|()| self.errors.flush());
    }

    fn hear(&mut self, limit: usize) -> Option<Vec<u8>> {
        self.flush();
        let mut line = Vec::new();
        while line.len() < limit && line.last() != Some(&b'\n') {
            let buffered = match self.input.fill_buf() {
                Ok([]) => {
                    self.ended = true;
                    break;
                }
                Ok(buffered) => buffered,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let room = &buffered[..buffered.len().min(limit - line.len())];
            let taken = room.iter().position(|byte| *byte == b'\n').map_or(room.len(), |at| at + 1);
            line.extend_from_slice(&room[..taken]);
            self.input.consume(taken);
        }
        (!line.is_empty()).then_some(line)
    }

    fn input_ended(&self) -> bool {
        self.ended
    }

    fn on_terminal(&self) -> bool {
        self.on_terminal
    }

    fn number(&self) -> u32 {
        std::process::id()
    }

    fn seed(&self) -> u32 {
        // set_randconfig_seed() of conf.c, by the same arithmetic.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (now.as_secs() as u32).wrapping_add(1).wrapping_mul(now.subsec_micros().wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::{Answers, Environment};
    use super::*;

    /// Bytes by the write that brought them.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn streams(folder: &Path, input: &'static [u8], output: &Writes) -> ConfStreams<ReplayHost> {
        let world = ReplayHost::new(folder, Environment::default(), Answers::default());
        ConfStreams::new(world, input, output.clone(), output.clone())
    }

    #[test]
    fn output_goes_out_in_blocks_before_input_and_at_the_end() {
        let output = Writes::default();
        let mut conf = streams(Path::new("/"), b"y\nrest", &output);
        conf.say(b"question? ");
        conf.complain(b"warning\n");
        assert_eq!(conf.hear(100).unwrap(), b"y\n");
        conf.say(&[b'x'; BLOCK + 10]);
        drop(conf);
        let written: Vec<usize> = output.0.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(written, [8, 10, BLOCK, 10]);
    }

    #[test]
    fn lines_are_heard_as_by_fgets() {
        let output = Writes::default();
        let mut conf = streams(Path::new("/"), b"long line\n\nlast", &output);
        assert_eq!(conf.hear(4).unwrap(), b"long");
        assert_eq!(conf.hear(100).unwrap(), b" line\n");
        assert_eq!(conf.hear(100).unwrap(), b"\n");
        assert!(!conf.input_ended());
        assert_eq!(conf.hear(100).unwrap(), b"last");
        assert!(conf.input_ended());
        assert_eq!(conf.hear(100), None);
    }

    #[test]
    fn a_terminal_gets_whole_lines() {
        let output = Writes::default();
        let mut conf = streams(Path::new("/"), b"", &output).on_terminal(true, true);
        conf.say(b"one\ntw");
        conf.say(b"o");
        assert_eq!(*output.0.lock().unwrap(), [b"one\n".to_vec()]);
        drop(conf);
        assert_eq!(output.0.lock().unwrap()[1], b"two");
    }

    #[test]
    fn files_are_those_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let conf = streams(folder.path(), b"", &Writes::default());
        conf.make_folder("a").unwrap();
        conf.write("a/b", b"content").unwrap();
        conf.rename("a/b", "c").unwrap();
        assert!(conf.is_folder("a") && conf.exists("c") && !conf.exists("a/b") && !conf.is_folder("c"));
        assert_eq!(conf.read("c").unwrap(), b"content");
        conf.remove("c").unwrap();
        assert!(conf.read("c").is_err() && conf.read("a").is_err() && conf.write("x/y", b"").is_err());
    }
}

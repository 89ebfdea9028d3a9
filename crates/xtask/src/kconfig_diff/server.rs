//! The C tool after one reading of the Kconfig files of an architecture (many.c): a fork per run.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base::process::{Program, Running};
use base::{Cancel, Context, Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::step::{Streams, limit_files};

/// How often a wait looks at the cancel flag.
const INTERVAL: Duration = Duration::from_millis(100);
/// Reading the Kconfig files with all their probes takes 2 to 4 s on an idle machine.
const READING: Duration = Duration::from_secs(300);

/// A running program of many.c.
pub struct Server {
    running: Running,
    requests: ChildStdin,
    replies: File,
}

impl Server {
    /// Starts it with the environment of an architecture, in an empty folder; `None` when the C tool ended over the Kconfig
    /// files.
    ///
    /// # Errors
    /// It cannot be started, or takes too long.
    pub fn start(
        program: &Path,
        environment: &[(String, String)],
        folder: &Path,
        cancel: &Cancel,
    ) -> Result<Option<Server>> {
        std::fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
        let mut command = Program::new(program).directory(folder).clean_environment();
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let (replies, writer) = std::io::pipe().context(|| "cannot make a pipe".into())?;
        let mut running = command.start(Stdio::piped(), writer.into(), Stdio::null(), false)?;
        // The command holds no end of the pipe any more, so that the end of the program is the end of the pipe.
        limit_files(&running);
        let requests = running.stdin().ok_or_else(|| Error::failed("the C tool has no standard input"))?;
        let mut server = Server { running, requests, replies: File::from(OwnedFd::from(replies)) };
        match server.reply(READING, cancel)? {
            Reply::Status(_) => Ok(Some(server)),
            Reply::End => Ok(None),
            Reply::Late => Err(Error::failed("the C tool took too long over the Kconfig files")),
        }
    }

    /// One run in `folder`; `None` when it did not end within `limit`: then this server is of no more use.
    ///
    /// # Errors
    /// The program is gone, or somebody asked to stop.
    pub fn run(
        &mut self,
        arguments: &[String],
        environment: &[(String, String)],
        folder: &Path,
        streams: &Streams,
        limit: Duration,
        cancel: &Cancel,
    ) -> Result<Option<ExitStatus>> {
        let mut request = Vec::new();
        let mut add = |text: &[u8]| {
            request.extend_from_slice(text);
            request.push(0);
        };
        let path = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        for place in [folder, &streams.stdin, &streams.stdout, &streams.stderr] {
            add(&path(place));
        }
        // The program's name, the arguments and the Kconfig file.
        add((arguments.len() + 2).to_string().as_bytes());
        add(b"conf");
        arguments.iter().for_each(|argument| add(argument.as_bytes()));
        add(b"Kconfig");
        environment.iter().for_each(|(name, value)| add(format!("{name}={value}").as_bytes()));
        let length = (request.len() as u32).to_ne_bytes();
        let gone = || "cannot ask the C tool".to_string();
        self.requests.write_all(&[&length[..], &request].concat()).context(gone)?;
        match self.reply(limit, cancel)? {
            Reply::Status(status) => Ok(Some(ExitStatus::from_raw(status))),
            Reply::Late => Ok(None),
            Reply::End => {
                Err(Error::failed("the C tool that reads Kconfig once has ended")
                    .note("crates/xtask: many.c"))
            }
        }
    }

    fn reply(&mut self, limit: Duration, cancel: &Cancel) -> Result<Reply> {
        let deadline = Instant::now() + limit;
        loop {
            cancel.check()?;
            if Instant::now() >= deadline {
                self.running.kill();
                return Ok(Reply::Late);
            }
            let interval = Timespec { tv_sec: 0, tv_nsec: i64::from(INTERVAL.subsec_nanos()) };
            let mut watched = [PollFd::new(&self.replies, PollFlags::IN)];
            let ready = poll(&mut watched, Some(&interval)).map_err(std::io::Error::from);
            match ready {
                Ok(0) => continue,
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause).context(|| "cannot wait for the C tool".into()),
                Ok(_) => {}
            }
            let mut status = [0; 4];
            return match self.replies.read_exact(&mut status) {
                Ok(()) => Ok(Reply::Status(i32::from_ne_bytes(status))),
                Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Reply::End),
                Err(cause) => Err(cause).context(|| "cannot hear the C tool".into()),
            };
        }
    }
}

enum Reply {
    Status(i32),
    End,
    Late,
}

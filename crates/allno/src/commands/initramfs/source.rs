//! The archive a person names: a file, or standard input.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use base::{Cancel, Error, Result};

use super::unreadable;

/// The largest archive that is taken from a pipe: it is kept in a file without a name meanwhile.
const PIPE_MAX: u64 = 8 << 30;

/// Opens an archive for reading at any place. Errors: what cannot be opened, or is no file.
pub fn open(path: &Path, cancel: &Cancel) -> Result<Arc<File>> {
    if path == Path::new("-") {
        return standard_input(cancel).map(Arc::new);
    }
    // Opening a pipe that nobody writes to would wait.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblocking).open(path);
    let file = file.map_err(|cause| unreadable(path, cause))?;
    let kind = file.metadata().map_err(|cause| unreadable(path, cause))?.file_type();
    if kind.is_file() || kind.is_block_device() {
        return Ok(Arc::new(file));
    }
    let shown = path.display();
    Err(match kind.is_fifo() {
        true => Error::input(format!("{shown} is a pipe")).hint(format!("allno initramfs ls - < {shown}")),
        false => Error::input(format!("{shown} is no file")).note("an initramfs archive is one file"),
    })
}

/// Standard input: as it is if it is a file, else all of it in a file without a name.
fn standard_input(cancel: &Cancel) -> Result<File> {
    let name = Path::new("standard input");
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(|cause| unreadable(name, cause))?;
    let mut stdin = File::from(stdin);
    let kind = stdin.metadata().map_err(|cause| unreadable(name, cause))?.file_type();
    if kind.is_file() {
        return Ok(stdin);
    }
    if !kind.is_fifo() && !kind.is_socket() {
        return Err(Error::input("standard input is neither a file nor a pipe")
            .hint("cat ARCHIVE | allno initramfs ls -"));
    }
    let folder = std::env::temp_dir();
    let mut kept = nameless(&folder).map_err(|cause| {
        Error::host(format!("cannot keep the archive in {}", folder.display())).note(cause.to_string())
    })?;
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        wait_for(&stdin, cancel)?;
        let read = match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(unreadable(name, cause)),
        };
        size += read as u64;
        if size > PIPE_MAX {
            return Err(Error::input("standard input goes on after 8 GiB").hint("give the archive as a file"));
        }
        kept.write_all(&buffer[..read]).map_err(|cause| {
            Error::host(format!("cannot keep the archive in {}", folder.display())).note(cause.to_string())
        })?;
    }
    kept.rewind().map_err(|cause| unreadable(name, cause))?;
    Ok(kept)
}

/// Waits until there is something to read, or Ctrl-C.
fn wait_for(stdin: &File, cancel: &Cancel) -> Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let step = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    loop {
        cancel.check()?;
        let mut polled = [PollFd::new(stdin, PollFlags::IN)];
        if !matches!(poll(&mut polled, Some(&step)), Ok(0) | Err(rustix::io::Errno::INTR)) {
            return Ok(());
        }
    }
}

/// A file that is gone as soon as it is closed.
fn nameless(folder: &Path) -> rustix::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // A file system without such files; memory has them always.
        Err(_) => rustix::fs::memfd_create("initramfs", rustix::fs::MemfdFlags::CLOEXEC).map(File::from),
    }
}

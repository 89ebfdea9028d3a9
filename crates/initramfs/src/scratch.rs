//! Files that get their names once they are whole.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::error::Result;

/// Makes the file at `path` with what `write` writes. It is written beside its place and renamed: there is never a half
/// of it, and after an error what was there before still is. What is no regular file (a pipe, /dev/null) is
/// written to as it stands.
pub fn write_file<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return write(&mut File::options().write(true).open(path)?);
    }
    // Through a symbolic link the file that it leads to is replaced, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.into());
    let mut scratch = Scratch::beside(&path)?;
    if let Ok(old) = File::open(&path) {
        scratch.look_like(&old)?;
    }
    let written = write(&mut scratch.file)?;
    scratch.replace()?;
    Ok(written)
}

/// A file until it has its name.
pub(crate) struct Scratch {
    pub(crate) file: File,
    path: PathBuf,
    place: PathBuf,
    done: bool,
}

impl Scratch {
    /// A file in the folder of `place`. One that a killed command left there is used again, so that they do not
    /// gather.
    pub(crate) fn beside(place: &Path) -> Result<Scratch> {
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(".allno-new");
        let path = place.with_file_name(name);
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut options = File::options();
        let file =
            options.read(true).write(true).create(true).truncate(true).custom_flags(no_follow).open(&path)?;
        Ok(Scratch { file, path, place: place.into(), done: false })
    }

    /// Gives it the mode and, where this user may, the owner of `other`.
    pub(crate) fn look_like(&self, other: &File) -> Result<()> {
        let metadata = other.metadata()?;
        // An ordinary user cannot give files away; then it is his.
        let _ = fchown(&self.file, Some(metadata.uid()), Some(metadata.gid()));
        Ok(self.file.set_permissions(metadata.permissions())?)
    }

    /// Gives it its name.
    pub(crate) fn replace(mut self) -> Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::Error;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let fail = |file: &mut File| {
            file.write_all(b"half")?;
            Err::<(), _>(Error::Compression("no".into()))
        };
        write_file(&path, fail).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write_file(&path, |file| Ok(file.write_all(b"whole")?)).unwrap();
        write_file(&path, fail).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        std::os::unix::fs::symlink("image", folder.path().join("link")).unwrap();
        write_file(&folder.path().join("link"), |file| Ok(file.write_all(b"through")?)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"through");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        write_file(Path::new("/dev/null"), |file| Ok(file.write_all(b"gone")?)).unwrap();
    }
}

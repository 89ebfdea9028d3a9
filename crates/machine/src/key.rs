//! The key pair that opens our guests, made once for this machine.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use rustix::fs::{FlockOperation, flock};

/// How long to wait for another run that is making the pair.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
/// How long ssh-keygen may take.
const KEYGEN_LIMIT: Duration = Duration::from_secs(60);

/// An ed25519 key pair on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The private key's file, mode 0600, without a passphrase.
    pub private: PathBuf,
    /// The public key's file: one line as authorized_keys takes it.
    pub public: PathBuf,
}

/// The pair in `folder` (`id_ed25519`, `id_ed25519.pub`); makes both, and the folder, when they are not there. Two runs at
/// once make one pair.
///
/// # Errors
/// There is no ssh-keygen, or the folder cannot be written.
pub fn ensure(folder: &Path, cancel: &Cancel) -> Result<KeyPair> {
    let cannot = || format!("cannot make the SSH key in {}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).context(cannot)?;
    let pair = KeyPair { private: folder.join("id_ed25519"), public: folder.join("id_ed25519.pub") };
    let lock =
        File::options().create(true).truncate(false).write(true).mode(0o600).open(folder.join(".lock"));
    let lock = lock.context(cannot)?;
    let locked =
        cancel.poll(LOCK_LIMIT, || Ok(flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()))?;
    locked.ok_or_else(|| Error::failed(cannot()).note("another run holds its lock"))?;
    if !pair.private.is_file() {
        generate(folder, &pair, cancel)?;
    } else if !pair.public.is_file() {
        let line = Program::new("ssh-keygen").args(["-y", "-f"]).arg(&pair.private);
        let public = line.succeed(KEYGEN_LIMIT, cancel)?;
        base::write_whole(&pair.public, public).context(cannot)?;
    }
    Ok(pair)
}

/// Makes the pair beside its place and renames it there, the private one last, as its presence says "done".
fn generate(folder: &Path, pair: &KeyPair, cancel: &Cancel) -> Result<()> {
    let cannot = || format!("cannot make the SSH key in {}", folder.display());
    let (private, public) = (folder.join(".new"), folder.join(".new.pub"));
    for leftover in [&private, &public] {
        let _ = std::fs::remove_file(leftover);
    }
    let program = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "allno", "-f"]);
    program.arg(&private).succeed(KEYGEN_LIMIT, cancel)?;
    std::fs::set_permissions(&private, PermissionsExt::from_mode(0o600)).context(cannot)?;
    std::fs::rename(&public, &pair.public).context(cannot)?;
    std::fs::rename(&private, &pair.private).context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_however_many_ask() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a b");
        let pairs: Vec<KeyPair> = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| ensure(&folder, &Cancel::new()).unwrap());
            let asked: Vec<_> = (0..4).map(|_| ask()).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let public = std::fs::read_to_string(&pairs[0].public).unwrap();
        assert!(public.starts_with("ssh-ed25519 "), "{public}");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&pairs[0].private)), (0o700, 0o600));
        std::fs::remove_file(&pairs[0].public).unwrap();
        ensure(&folder, &Cancel::new()).unwrap();
        let again = std::fs::read_to_string(&pairs[0].public).unwrap();
        assert_eq!(
            again.split(' ').nth(1),
            public.split(' ').nth(1),
            "the public key of the same private key"
        );
    }
}

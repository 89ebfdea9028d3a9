//! The root file system of a disk: an ext4 image, made of a user space and our files over it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Kind, Result, Size};
use disk::{Guid, Layout};
use store::{Artifact, Inputs, Sha256};

use super::namespace;
use super::overlay::Overlay;
use super::plan::{Plan, size_error};
use super::user_space::UserSpace;
use crate::data::disk_file;
use crate::session::Session;
use crate::spec::SpecFile;

/// Part of the key: raised when this file makes other bytes of the same inputs.
const WAY: &str = "1";
const LIMIT: Duration = Duration::from_secs(1800);
/// mke2fs only says its version.
const ASK_LIMIT: Duration = Duration::from_secs(20);
const BLOCK: u64 = 4096;
const FILE: &str = "root";
/// What makes it, of the folder disk/.
const SCRIPTS: [&str; 3] = ["finish", "place", "mke2fs.conf"];
/// Where a file system begins to run out of room: what it needs for itself, a journal and tables, in parts of the whole.
const MOSTLY: (u64, u64) = (9, 10);

/// A root file system in the store.
#[derive(Clone, Debug)]
pub struct Root {
    /// The file with the file system.
    pub path: PathBuf,
    /// Hash of it.
    pub digest: String,
    /// The layout of the disk it is for.
    pub layout: Layout,
    /// The PARTUUID that what is in it may know it by; none where any will do.
    pub partition: Option<Guid>,
    pub(super) _held: Artifact,
}

/// The root file system: from the store, else made now.
///
/// # Errors
/// The disk is too small for the user space ([`base::Kind::Input`]); a tool fails.
pub fn make(
    session: &Session,
    spec: &SpecFile,
    plan: &Plan,
    user_space: &UserSpace,
    overlay: &Overlay,
) -> Result<Root> {
    let layout = plan.layout(spec)?;
    let (uuid, seed) = plan.file_system;
    let mut inputs = Inputs::new()
        .with("way of building", WAY)
        .with("tool", tool_version(&session.cancel)?)
        .with("user space", &user_space.digest)
        .with("date", user_space.date.to_string())
        .with("blocks", (layout.root_bytes / BLOCK).to_string())
        .with("UUID", uuid.to_string())
        .with("seed", seed.to_string())
        .with("account", &plan.decisions.settings.user);
    for name in SCRIPTS {
        inputs.add(name, Sha256::of(disk_file(name)?.as_bytes()).to_string());
    }
    overlay.add_to(&mut inputs)?;
    let artifact = session.realize("disk-root", &inputs, |tree| {
        let work = Work { session, spec, plan, user_space, layout, folder: tree.join(".work") };
        work.make(overlay, &tree.join(FILE))
    })?;
    Ok(Root {
        path: artifact.path.join(FILE),
        digest: artifact.digest.to_string(),
        layout,
        partition: None,
        _held: artifact,
    })
}

/// "mke2fs 1.47.0 (5-Feb-2023)": another one may lay the same files out otherwise.
fn tool_version(cancel: &Cancel) -> Result<String> {
    let captured = Program::new("mke2fs").arg("-V").capture(ASK_LIMIT, cancel)?;
    Ok(captured.stderr.lines().next().unwrap_or_default().to_string())
}

struct Work<'a> {
    session: &'a Session,
    spec: &'a SpecFile,
    plan: &'a Plan,
    user_space: &'a UserSpace,
    layout: Layout,
    folder: PathBuf,
}

impl Work<'_> {
    fn make(&self, overlay: &Overlay, to: &Path) -> Result<()> {
        namespace::require(&self.session.cancel)?;
        let task = self.session.events.task("making", "the root file system");
        let cannot = || format!("cannot write {}", self.folder.display());
        std::fs::create_dir(&self.folder).context(cannot)?;
        overlay.write(&self.folder.join("overlay"))?;
        for name in SCRIPTS {
            std::fs::write(self.folder.join(name), disk_file(name)?).context(cannot)?;
        }
        let blocks = self.run()?;
        std::fs::rename(self.folder.join("image"), to).context(cannot)?;
        std::fs::remove_dir_all(&self.folder).context(cannot)?;
        let (full, whole) = (Size(blocks * BLOCK), Size(self.layout.root_bytes));
        task.end("made", format!("root file system {whole}, {full} of it full"));
        Ok(())
    }

    /// Runs disk/finish; returns how many blocks the files take.
    fn run(&self) -> Result<u64> {
        let (uuid, seed) = self.plan.file_system;
        let (mut takes, mut full) = (0, false);
        let log = self.folder.join("log");
        let outcome = namespace::program("sh")
            .arg("finish")
            .directory(&self.folder)
            .env("USER_SPACE", &self.user_space.archive)
            .env("ACCOUNT", &self.plan.decisions.settings.user)
            .env("BLOCKS", (self.layout.root_bytes / BLOCK).to_string())
            .env("UUID", uuid.to_string())
            .env("SEED", seed.to_string())
            .env("EPOCH", self.user_space.date.to_string())
            .run(&log, LIMIT, &self.session.cancel, &mut |line| {
                let number = line.strip_prefix("takes ").and_then(|rest| rest.split(' ').next());
                takes = number.and_then(|number| number.parse().ok()).unwrap_or(takes);
                full |= line.contains("Could not allocate") || line.contains("ran out of");
            });
        let error = match outcome {
            Ok(()) => return Ok(takes),
            Err(error) => error,
        };
        // Its files may belong to users that only the name space has.
        let clean = namespace::program("rm").args(["-rf", "root"]).directory(&self.folder);
        let _ = clean.capture(LIMIT, &Cancel::new());
        if error.kind() == Kind::Failed && full {
            return Err(self.too_small(takes * BLOCK));
        }
        let kept = self.session.store.root().join("logs/disk-root.log");
        Err(crate::build::keep_log(error.because_of("the root file system could not be made"), &log, &kept))
    }

    fn too_small(&self, takes: u64) -> Error {
        let need = takes / MOSTLY.0 * MOSTLY.1;
        let least = Layout::of_root(need).map_or(need, |layout| layout.disk).next_multiple_of(64 << 20);
        let error =
            Error::input(format!("a disk of {} is too small for this user space", Size(self.plan.size)))
                .note(format!(
                    "its files take {}, and its root partition has {}",
                    Size(takes),
                    Size(self.layout.root_bytes)
                ))
                .hint(format!("[disk] size = \"{}M\", or more", least >> 20));
        size_error(self.spec, error)
    }
}

//! The user space: each recipe built by its script, in the environment `recipes/README.md` promises.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Context, Error, Result, Size, Unit};
use store::{Artifact, Fetched, Inputs};

use super::kernel_source::KernelSource;
use super::toolchain::{Toolchain, clean};
use crate::recipe::{Recipe, RecipeKind};
use crate::session::Session;

const SCRIPT_LIMIT: Duration = Duration::from_secs(2 * 3600);

/// Where a recipe's source is.
#[derive(Clone, Debug)]
pub enum RecipeSource {
    /// An archive and its hash.
    Archive {
        /// The file.
        path: PathBuf,
        /// Its hash.
        sha256: String,
        /// Keeps gc of another run away while we unpack it.
        held: Option<Fetched>,
    },
    /// A folder of one's own and the hash of its content.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Hash of its content.
        digest: String,
    },
    /// The kernel's tree.
    Kernel,
}

/// The built user space: the trees that go into the initramfs, in the spec's order.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Recipe and tree, in the order in which later ones may replace links of earlier ones.
    pub trees: Vec<(Recipe, Artifact)>,
}

/// Builds the recipes, which must be in build order.
///
/// # Errors
/// A failing script, with its last lines and its log's path; a script that did not make what it promises.
pub fn build(
    session: &Session,
    recipes: &[Recipe],
    sources: &BTreeMap<String, RecipeSource>,
    kernel: &KernelSource,
    toolchain: &Toolchain,
) -> Result<Programs> {
    let mut built: BTreeMap<String, Artifact> = BTreeMap::new();
    let mut trees = Vec::new();
    for recipe in recipes {
        session.cancel.check()?;
        let source = &sources[&recipe.name];
        let builder = Builder { session, recipe, recipes, source, kernel, toolchain, built: &built };
        let artifact = builder.realize()?;
        if recipe.kind == RecipeKind::Program {
            trees.push((recipe.clone(), artifact.clone()));
        }
        built.insert(recipe.name.clone(), artifact);
    }
    Ok(Programs { trees })
}

struct Builder<'a> {
    session: &'a Session,
    recipe: &'a Recipe,
    recipes: &'a [Recipe],
    source: &'a RecipeSource,
    kernel: &'a KernelSource,
    toolchain: &'a Toolchain,
    built: &'a BTreeMap<String, Artifact>,
}

impl Builder<'_> {
    fn realize(&self) -> Result<Artifact> {
        let inputs = self.inputs();
        self.session.realize(&self.recipe.name, &inputs, |tree| self.build_into(tree))
    }

    /// What the result depends on: see the last section of `recipes/README.md`.
    fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::new();
        match self.source {
            RecipeSource::Archive { sha256, .. } => inputs.add("source", sha256),
            RecipeSource::Folder { digest, .. } => inputs.add("source", digest),
            RecipeSource::Kernel => inputs.add("source", &self.kernel.digest),
        };
        inputs.add("script", self.script());
        inputs.add("date", self.recipe.source_date_epoch.to_string());
        for (name, value) in &self.recipe.variables {
            inputs.add(format!("variable {name}"), value);
        }
        for need in self.all_needs() {
            inputs.add(format!("needs {need}"), self.built[&need].digest.to_string());
        }
        inputs.add("compiler", &self.toolchain.compiler).add("linker", &self.toolchain.linker);
        inputs
    }

    fn script(&self) -> &str {
        self.recipe.build.as_ref().map_or("", |build| build.script.as_str())
    }

    /// The recipe's needs and theirs, each once. Build order guarantees that they are built.
    fn all_needs(&self) -> Vec<String> {
        let mut needs = self.recipe.needs.clone();
        let mut next = 0;
        while next < needs.len() {
            let below = self.recipes.iter().find(|recipe| recipe.name == needs[next]);
            let further: Vec<String> = below.map_or(Vec::new(), |recipe| recipe.needs.clone());
            needs.extend(further.into_iter().filter(|need| !needs.contains(need)).collect::<Vec<_>>());
            next += 1;
        }
        needs.sort();
        needs
    }

    fn build_into(&self, tree: &Path) -> Result<()> {
        let Session { events, cancel, store, .. } = self.session;
        let title = match self.source {
            RecipeSource::Kernel => format!("the headers of linux {}", self.kernel.version),
            _ => self.recipe.title(),
        };
        let task = events.task("building", &title);
        let room = Room::make(tree)?;
        self.unpack(&room.source)?;
        self.fill_sysroot(&room.sysroot)?;
        let log = room.top.join("build.log");
        let mut lines = 0;
        let outcome = self.program(&room).run(&log, SCRIPT_LIMIT, cancel, &mut |line| {
            lines += 1;
            task.progress_on(lines, None, Unit::Steps, line.trim());
        });
        let kept = store.root().join("logs").join(format!("{}.log", self.recipe.name));
        outcome.and_then(|()| self.check(&room.out)).map_err(|error| {
            let error = error.because_of(format!("{title} did not build"));
            super::keep_log(self.name_script(error), &log, &kept)
        })?;
        room.keep(tree)?;
        let size = directory_size(tree)?;
        let what = match self.recipe.kind {
            RecipeKind::Program => format!("{title}   {}, static", Size(size)),
            _ => format!("{title}   {}", Size(size)),
        };
        task.end("built", what);
        Ok(())
    }

    fn unpack(&self, source: &Path) -> Result<()> {
        match self.source {
            RecipeSource::Archive { path, .. } => store::unpack(path, source, true, &self.session.cancel),
            RecipeSource::Folder { path, .. } => copy_tree(path, source),
            RecipeSource::Kernel => Ok(()),
        }
    }

    /// Lays the needed trees over each other. A copy, so that no script can change what the store holds.
    fn fill_sysroot(&self, sysroot: &Path) -> Result<()> {
        self.all_needs().iter().try_for_each(|need| copy_tree(&self.built[need].path, sysroot))
    }

    fn program(&self, room: &Room) -> Program {
        let mut path = room.sysroot.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut program = clean(Program::new("sh"), self.toolchain, Some(&room.top))
            .args(["-eu", "-c", self.script()])
            .directory(&room.source)
            .env("SOURCE", &room.source)
            .env("OUT", &room.out)
            .env("SYSROOT", &room.sysroot)
            .env("HOME", &room.home)
            .env("PATH", path)
            .env("COMPILER", self.toolchain.command())
            .env("JOBS", self.toolchain.jobs.to_string())
            .env("SOURCE_DATE_EPOCH", self.recipe.source_date_epoch.to_string());
        if self.recipe.kind == RecipeKind::Headers {
            program = program.env("KERNEL_SOURCE", &self.kernel.tree);
        }
        for (name, value) in &self.recipe.variables {
            program = program.env(name, value);
        }
        program
    }

    /// The command is a whole script with a whole environment: the log has it, and the error says which one it is.
    fn name_script(&self, error: Error) -> Error {
        if !error.notes().iter().any(|note| note.starts_with("command: ")) {
            return error;
        }
        let name = &self.recipe.name;
        let whole = "as one line for a shell it is the log's first";
        error.replace_note("command: ", format!("command: the [build] script of the recipe {name}; {whole}"))
    }

    fn check(&self, out: &Path) -> Result<()> {
        let missing: Vec<&String> =
            self.recipe.provides.iter().filter(|path| out.join(path).symlink_metadata().is_err()).collect();
        match missing.as_slice() {
            [] => Ok(()),
            _ => {
                Err(Error::failed(format!("its script did not make {missing:?}, which the recipe promises")))
            }
        }
    }
}

/// The four folders of one build, inside the artifact's scratch folder until the script is done.
struct Room {
    top: PathBuf,
    source: PathBuf,
    out: PathBuf,
    sysroot: PathBuf,
    home: PathBuf,
}

impl Room {
    fn make(tree: &Path) -> Result<Room> {
        let top = tree.join("build");
        let folder = |name: &str| top.join(name);
        let room = Room {
            source: folder("source"),
            out: folder("out"),
            sysroot: folder("sysroot"),
            home: folder("home"),
            top: top.clone(),
        };
        for folder in [&room.source, &room.out, &room.sysroot, &room.home] {
            std::fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(room)
    }

    /// Leaves in `tree` what the script put into `out`, and nothing else.
    fn keep(self, tree: &Path) -> Result<()> {
        let failed = || "cannot keep what was built".to_string();
        for entry in std::fs::read_dir(&self.out).context(failed)? {
            let entry = entry.context(failed)?;
            let to = tree.join(entry.file_name());
            if to == self.top {
                return Err(Error::failed("a recipe cannot install a folder called /build"));
            }
            std::fs::rename(entry.path(), to).context(failed)?;
        }
        std::fs::remove_dir_all(&self.top).context(failed)
    }
}

/// Copies a tree over another: folders are merged, links kept, files replaced.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to).context(failed)?;
    for entry in std::fs::read_dir(from).context(failed)? {
        let entry = entry.context(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().context(failed)?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
            continue;
        }
        if target.symlink_metadata().is_ok() {
            std::fs::remove_file(&target).context(failed)?;
        }
        if kind.is_symlink() {
            let link = std::fs::read_link(&source).context(failed)?;
            std::os::unix::fs::symlink(link, &target).context(failed)?;
        } else {
            std::fs::copy(&source, &target).context(failed)?;
        }
    }
    Ok(())
}

/// The bytes of all regular files below `folder`.
fn directory_size(folder: &Path) -> Result<u64> {
    let failed = || format!("cannot read {}", folder.display());
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).context(failed)? {
        let entry = entry.context(failed)?;
        let metadata = entry.path().symlink_metadata().context(failed)?;
        bytes += if metadata.is_dir() {
            directory_size(&entry.path())?
        } else if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
    }
    Ok(bytes)
}

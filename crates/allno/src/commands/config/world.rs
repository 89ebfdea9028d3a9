//! What a question about a configuration is asked of: a kernel's Kconfig files, and what was asked for.

use std::io::Read;
use std::path::{Path, PathBuf};

use base::{Context as _, Error, Result};
use engine::build::{KernelSource, Toolchain, kernel_config};
use engine::kconfig_host::{Environment, LiveHost, Tree, tree_host};
use engine::made::kernel_of;
use explain::{Request, Resolved};
use kconfig::{Model, Start};

use super::super::Context;
use crate::arguments::{ConfigOf, Spec};

/// The file a tree's configuration stands in when none is named.
const DOT_CONFIG: &str = ".config";
/// Larger than any `.config`: that of a distribution has 300 kB.
const LARGEST: u64 = 16 << 20;

/// A kernel's Kconfig files, and what is asked of them.
pub struct World {
    /// What the files say.
    pub model: Model,
    /// "6.12.117"
    pub version: String,
    /// "x86_64"
    pub arch: String,
    /// What was asked for.
    pub wishes: Wishes,
    /// The tree.
    pub tree: PathBuf,
    /// The tree of a spec, with the hash of its content.
    pub source: Option<KernelSource>,
}

/// What a configuration follows from.
pub enum Wishes {
    /// Requests of a spec, on top of allnoconfig.
    Requests(Vec<Request>),
    /// A `.config`: its name and content.
    File(String, Vec<u8>),
}

impl World {
    /// Finds the spec's kernel or the tree, and reads its Kconfig files. Must run on a deep stack.
    pub fn load(context: &Context, of: &ConfigOf) -> Result<World> {
        match &of.tree {
            Some(tree) => World::of_tree(context, tree, of),
            None => World::of_spec(context, of.spec.clone(), of.config.as_deref()),
        }
    }

    /// The kernel of a spec; a `.config` takes the place of its requests.
    pub fn of_spec(context: &Context, spec: Option<PathBuf>, config: Option<&Path>) -> Result<World> {
        let file = config.map(wishes_of).transpose()?;
        let (session, spec) = context.session(&Spec { spec })?;
        let (source, requests) = kernel_of(&session, &spec)?;
        let toolchain = Toolchain::find(&session)?;
        // Its only files are temporary ones of the probes; the folder's name is part of what is remembered of them.
        let folder = kernel_config::cache(&session);
        std::fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        let host = kernel_config::host(&session, &source, &toolchain, &folder)?;
        let wishes = file.unwrap_or_else(|| Wishes::Requests(requests.in_words()));
        let tree = source.tree.clone();
        let world = World::of_host(&host, source.version.clone(), kernel_config::ARCH, wishes, tree)?;
        Ok(World { source: Some(source), ..world })
    }

    fn of_tree(context: &Context, tree: &Path, of: &ConfigOf) -> Result<World> {
        let config = of.config.clone().unwrap_or_else(|| tree.join(DOT_CONFIG));
        let wishes = wishes_of(&config)?;
        if !tree.join("Kconfig").is_file() {
            return Err(Error::input(format!("{} is no kernel source: it has no Kconfig", tree.display()))
                .hint("allno config show --tree DIR --config FILE"));
        }
        let folder = context.store_path()?.join("caches/kconfig");
        std::fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        let arch = of.arch.as_str();
        let told = Tree { source: tree, objects: &folder, arch, variables: &[] };
        let host = tree_host(&told, Environment::of_process(), Some(&folder), &context.cancel)?;
        let version = host.variables().text("KERNELVERSION").unwrap_or_default();
        World::of_host(&host, version, arch, wishes, tree.to_path_buf())
    }

    /// The Kconfig files behind a host, of the tree in this folder.
    pub fn of_host(
        host: &LiveHost,
        version: String,
        arch: &str,
        wishes: Wishes,
        tree: PathBuf,
    ) -> Result<World> {
        let model = kernel_config::read(host, &version)?;
        Ok(World { model, version, arch: arch.to_string(), wishes, tree, source: None })
    }

    /// The configuration that follows; lines that could not be taken are told.
    pub fn resolved(&self, context: &Context) -> Resolved<'_> {
        resolve(context, &self.model, &self.wishes)
    }
}

/// The configuration that follows from wishes on some kernel.
pub fn resolve<'m>(context: &Context, model: &'m Model, wishes: &Wishes) -> Resolved<'m> {
    let resolved = match wishes {
        Wishes::Requests(requests) => Resolved::of_requests(model, Start::AllNo, requests.clone()),
        Wishes::File(name, text) => Resolved::of_config(model, name, text),
    };
    for warning in resolved.warnings() {
        match warning.split_once(":warning: ") {
            Some((place, what)) if !warning.contains('\n') => context.events.warn(format!("{place}: {what}")),
            _ => context.events.detail(warning.replace('\n', " ")),
        }
    }
    resolved
}

/// The wishes of a `.config`.
pub fn wishes_of(path: &Path) -> Result<Wishes> {
    read_config(path).map(|(name, text)| Wishes::File(name, text))
}

/// Reads a `.config`: the name it was given, by which its places go, and its content.
pub fn read_config(path: &Path) -> Result<(String, Vec<u8>)> {
    let shown = path.display().to_string();
    let wrong = |cause: String| Error::input(format!("cannot read the configuration {shown}")).note(cause);
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|cause| wrong(cause.to_string()))?;
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|cause| wrong(cause.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(wrong(format!("it is larger than {} MiB: no .config is", LARGEST >> 20)));
    }
    Ok((shown, text))
}

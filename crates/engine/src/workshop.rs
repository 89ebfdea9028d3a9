//! The tools and materials of many builds of one kernel: its source, the compiler, the recipes' sources.

use std::collections::BTreeMap;

use base::Result;

use crate::build::kernel::Naming;
use crate::build::userland::RecipeSource;
use crate::build::{Kernel, KernelSource, Programs, Toolchain, kernel, userland};
use crate::doctor;
use crate::fetcher::Fetcher;
use crate::host::HostFacts;
use crate::made::{LOCK_NAME, kernel_recipe, kernel_tree};
use crate::recipe::{Recipe, in_build_order};
use crate::rung::Requests;
use crate::session::Session;
use crate::spec::SpecFile;

/// What [`Workshop::open`] found and fetched.
pub(crate) struct Workshop<'a> {
    /// The run of the command.
    pub session: &'a Session,
    /// The spec: which kernel.
    pub spec: SpecFile,
    /// The kernel's tree.
    pub source: KernelSource,
    /// The compiler.
    pub toolchain: Toolchain,
    /// What this host can do.
    pub host: HostFacts,
    recipes: Vec<Recipe>,
    sources: BTreeMap<String, RecipeSource>,
}

impl<'a> Workshop<'a> {
    /// Fetches what the spec's kernel and these recipes need. Of the spec only the kernel's source counts, not its options.
    ///
    /// # Errors
    /// The host lacks a tool; a source cannot be had; the spec is wrong.
    pub fn open(session: &'a Session, spec: &SpecFile, recipes: &[String]) -> Result<Workshop<'a>> {
        let mut spec = spec.clone();
        spec.spec.kernel.config.clear();
        let kernel_recipe = kernel_recipe(&spec)?;
        let loaded =
            recipes.iter().map(|name| Recipe::load(name, &spec, None)).collect::<Result<Vec<_>>>()?;
        let recipes = in_build_order(loaded, &spec)?;
        doctor::require_for(kernel_recipe.iter().chain(&recipes), &session.cancel)?;
        let toolchain = Toolchain::find(session)?;
        let mut fetcher = Fetcher::new(session, &spec, &spec.folder.join(LOCK_NAME), false)?;
        let sources = fetcher.fetch_all(kernel_recipe.as_ref(), &recipes)?;
        let source = kernel_tree(session, &spec, kernel_recipe.as_ref(), &fetcher)?;
        drop(fetcher);
        let host = HostFacts::of(&session.store, &session.cancel)?;
        Ok(Workshop { session, spec, source, toolchain, host, recipes, sources })
    }

    /// Builds the kernel with these requests, or finds it in the store, where it is kept as `name`.
    ///
    /// # Errors
    /// A dropped option; a failing make.
    pub fn kernel(&self, name: &str, requests: &Requests) -> Result<Kernel> {
        self.build(name, requests, false)
    }

    /// The same, whatever becomes of the requests.
    ///
    /// # Errors
    /// A failing make.
    pub fn kernel_as_it_comes(&self, name: &str, requests: &Requests) -> Result<Kernel> {
        self.build(name, requests, true)
    }

    fn build(&self, name: &str, requests: &Requests, as_it_comes: bool) -> Result<Kernel> {
        let naming = Naming { artifact: &format!("kernel-{name}"), objects: "-ladder", as_it_comes };
        kernel::build(self.session, naming, &self.source, requests, &self.toolchain)
    }

    /// The programs of these recipes, which are among those it was opened with.
    ///
    /// # Errors
    /// A failing script.
    pub fn programs(&self, names: &[String]) -> Result<Programs> {
        let mut programs =
            userland::build(self.session, &self.recipes, &self.sources, &self.source, &self.toolchain)?;
        programs.trees.retain(|(recipe, _)| names.contains(&recipe.name));
        Ok(programs)
    }
}

//! From a driver to the options that bring it, by the tree's Makefiles.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use base::{Error, Result};
use ktree::{Folder, Objects};
use serde::Serialize;

/// A way to have a driver: these options together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverOption {
    /// The options, all of them needed; more than one is rare. Never empty.
    pub options: Vec<String>,
    /// The line of the Makefile: "drivers/ata/Makefile:6".
    pub place: String,
    /// Whether the line itself names no option, and these are those of its folder.
    pub by_folder: bool,
}

/// The options of all drivers of a tree.
#[derive(Debug)]
pub struct Options {
    objects: Objects,
    by_path: HashMap<String, Vec<usize>>,
    by_module: HashMap<String, Vec<usize>>,
}

impl Options {
    /// Reads the tree's Makefiles. `arch`: the name of the architecture's folder, "x86".
    ///
    /// # Errors
    /// [`base::Kind::Input`]: no tree of a kernel since 6.1, before which the root has no Kbuild file that lists its folders.
    pub fn read(tree: &Path, arch: &str) -> Result<Options> {
        let objects = Objects::read(&Folder(tree.to_path_buf()), arch).ok_or_else(|| {
            Error::input(format!("cannot read the Makefiles of {}", tree.display()))
                .note("expected: a kernel source since 6.1, with a file Kbuild at its root")
        })?;
        let (mut by_path, mut by_module) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (number, object) in objects.all.iter().enumerate() {
            by_path.entry(object.path.clone()).or_default().push(number);
            let whole = object.part_of.clone().unwrap_or_else(|| object.path.clone());
            by_module.entry(module(&whole)).or_default().push(number);
            if let Some(whole) = &object.part_of {
                by_path.entry(whole.clone()).or_default().push(number);
            }
        }
        Ok(Options { objects, by_path, by_module })
    }

    /// The ways to have a driver, which is named by the path of its object without ".o". Where no Makefile has that object, the
    /// driver of the same module name is meant: sources move from series to series.
    pub fn of(&self, driver: &str) -> Vec<DriverOption> {
        let path = format!("{driver}.o");
        let numbers = self.by_path.get(&path).or_else(|| self.by_module.get(&module(&path)));
        let mut ways: Vec<DriverOption> = Vec::new();
        for object in numbers.into_iter().flatten().map(|&number| &self.objects.all[number]) {
            // A composite object is listed once for each of its parts: what one part asks for beside is not asked of all.
            let is_part = object.path == path && object.part_of.is_some();
            let own = if is_part { object.own.and(&object.part) } else { object.own.clone() };
            let named: BTreeSet<_> = own.symbols();
            let by_folder = named.is_empty();
            let options = if by_folder { object.folders.symbols() } else { named };
            let options: Vec<String> = options.iter().map(|name| name.to_string()).collect();
            let place = object.part_place.as_ref().filter(|_| is_part).unwrap_or(&object.place);
            let way = DriverOption { options, place: format!("{}:{}", place.file, place.line), by_folder };
            if !way.options.is_empty() && !ways.iter().any(|known| known.options == way.options) {
                ways.push(way);
            }
        }
        ways
    }

    /// Whether some Makefile lists the driver's object, or a module of its name.
    pub fn knows(&self, driver: &str) -> bool {
        let path = format!("{driver}.o");
        self.by_path.contains_key(&path) || self.by_module.contains_key(&module(&path))
    }

    /// The composite object, without ".o", that a source is a part of.
    pub fn composite(&self, driver: &str) -> Option<String> {
        let numbers = self.by_path.get(&format!("{driver}.o"))?;
        let whole = numbers.iter().find_map(|&number| {
            let object = &self.objects.all[number];
            object.part_of.clone().filter(|_| object.path == format!("{driver}.o"))
        })?;
        whole.strip_suffix(".o").map(str::to_string)
    }
}

/// The name of a module: the file's, with `-` and `_` alike (kernel: `name-fix` of scripts/Makefile.lib).
fn module(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".o").unwrap_or(name).replace('-', "_")
}

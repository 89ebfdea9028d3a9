//! Every object that a tree's Makefiles list, for all configurations at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::condition::Condition;
use crate::directory::{Reader, normal};
use crate::files::Files;
use crate::variables::{Place, Unknown, Variables, Word};

/// Folders within folders.
const DEEPEST: usize = 30;

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Linked into the kernel (`obj-y`).
    BuiltIn,
    /// A module, or part of one (`obj-m`).
    Module,
    /// In a library the kernel is linked with (`lib-y`).
    Library,
    /// Made beside the kernel (`extra-y`).
    Extra,
}

/// An object and what brings it. One object stands here once for each line that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Path below the object tree: "drivers/net/ethernet/intel/e1000/e1000_main.o".
    pub path: String,
    /// What becomes of it.
    pub list: List,
    /// The composite object it is a part of: "drivers/net/ethernet/intel/e1000/e1000.o".
    pub part_of: Option<String>,
    /// What the line that lists it, or its composite object, asks for.
    pub own: Condition,
    /// What the line that makes it a part of its composite object asks for.
    pub part: Condition,
    /// What must hold for kbuild to come to its folder.
    pub folders: Condition,
    /// The line that lists it, or its composite object.
    pub place: Place,
    /// The line that makes it a part of its composite object.
    pub part_place: Option<Place>,
}

impl Object {
    /// When it is made.
    pub fn condition(&self) -> Condition {
        self.folders.and(&self.own).and(&self.part)
    }
}

/// The objects of a tree.
#[derive(Clone, Debug)]
pub struct Objects {
    /// In the order of the Makefiles.
    pub all: Vec<Object>,
    /// What is not followed, everywhere. Most of it concerns no list of objects.
    pub unknown: Vec<Unknown>,
    /// Those of `unknown` that may add objects nobody can name from here: words of lists, and lines that are evaluated.
    pub open: Vec<usize>,
}

/// What brings an object or module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bringing {
    /// The object: of a composite module the composite one.
    pub object: String,
    /// The symbols its own line asks for: E1000.
    pub symbols: BTreeSet<Arc<str>>,
    /// The symbols its folders ask for: ETHERNET, NET_VENDOR_INTEL.
    pub folders: BTreeSet<Arc<str>>,
    /// The lines that list it.
    pub places: BTreeSet<Place>,
    /// The indices of what it hangs on that is not followed; empty: the answer is sure.
    pub unknown: BTreeSet<usize>,
}

/// The objects that a configuration makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Those that are made.
    pub made: BTreeMap<String, List>,
    /// Those that may be made: it hangs on these indices into [`Objects::unknown`].
    pub open: BTreeMap<String, BTreeSet<usize>>,
}

impl Objects {
    /// Walks the tree. `arch` is the name of its folder below arch/ ("x86"). None where there is no Kbuild file at the root, which
    /// all kernels since 6.1 have.
    ///
    /// What is made by rules of their own is not here: arch/x86/boot, the vDSO, the real-mode code, modules' link steps.
    pub fn read(files: &dyn Files, arch: &str) -> Option<Objects> {
        let unknown = RefCell::new(Vec::new());
        let mut outer = Variables::default();
        let place = Place { file: "Makefile".into(), line: 1 };
        let mut set = |name: &str, text: &str| {
            let words = text.split_whitespace();
            let word =
                |text: &str| Word { text: text.into(), condition: Condition::Always, place: place.clone() };
            outer.set_words(name, words.map(word).collect());
        };
        // What the top Makefile tells all others, for a kernel that is built and not a module outside of its tree.
        set("srctree", ".");
        set("objtree", ".");
        set("SRCARCH", arch);
        set("KBUILD_EXTMOD", "");
        set("KBUILD_BUILTIN", "1");
        let architecture = architecture(files, &unknown, &outer, arch);
        let mut walk =
            Walk { files, unknown: &unknown, outer: architecture, all: Vec::new(), open: Vec::new() };
        files.exists("Kbuild").then_some(())?;
        let root = Visit { built_in: Condition::Always, any: Condition::Always };
        walk.folder(".", &root, 0);
        for library in walk.libraries() {
            let visit = Visit { built_in: library.condition.clone(), any: library.condition.clone() };
            walk.folder(library.text.trim_end_matches('/'), &visit, 0);
        }
        let Walk { all, open, .. } = walk;
        Some(Objects { all, unknown: unknown.into_inner(), open })
    }

    /// What a configuration makes. `value` gives a symbol's value as `.config` has it, without quotes.
    pub fn built(&self, value: &dyn Fn(&str) -> Option<String>) -> Built {
        let mut built = Built::default();
        for object in &self.all {
            let condition = object.condition();
            match condition.holds(value) {
                Some(true) => {
                    let list = built.made.entry(object.path.clone()).or_insert(object.list);
                    *list = (*list).min(object.list);
                }
                Some(false) => {}
                None => built.open.entry(object.path.clone()).or_default().extend(condition.unknowns()),
            }
        }
        built.open.retain(|path, _| !built.made.contains_key(path));
        built
    }

    /// What brings the module of this name, as `modules.alias` and the kernel's log spell it ("snd_hda_intel"): usually one
    /// answer; several where several folders have one of that name.
    pub fn bringing_module(&self, name: &str) -> Vec<Bringing> {
        let wanted = module_name(name);
        self.bringing(|path| module_name(path) == wanted)
    }

    /// What brings an object: "drivers/net/dummy.o", a composite object or one of its parts.
    pub fn bringing_object(&self, path: &str) -> Vec<Bringing> {
        let composite = self.bringing(|it| it == path);
        if !composite.is_empty() {
            return composite;
        }
        let mut found: BTreeMap<String, Bringing> = BTreeMap::new();
        for object in self.all.iter().filter(|object| object.path == path) {
            add(&mut found, path, object, &object.own.and(&object.part));
            if let (Some(found), Some(place)) = (found.get_mut(path), &object.part_place) {
                found.places.insert(place.clone());
            }
        }
        found.into_values().collect()
    }

    fn bringing(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Bringing> {
        let mut found = BTreeMap::new();
        for object in self.all.iter().filter(|it| it.list != List::Extra) {
            let whole = object.part_of.as_deref().unwrap_or(&object.path);
            if is_wanted(whole) {
                add(&mut found, whole, object, &object.own);
            }
        }
        found.into_values().collect()
    }

    /// The modules that can be built: their objects' paths.
    pub fn modules(&self) -> BTreeSet<&str> {
        let modules = self.all.iter().filter(|it| it.list == List::Module);
        modules.map(|it| it.part_of.as_deref().unwrap_or(&it.path)).collect()
    }
}

fn add(found: &mut BTreeMap<String, Bringing>, whole: &str, object: &Object, own: &Condition) {
    let entry = found.entry(whole.to_string()).or_insert_with(|| Bringing {
        object: whole.to_string(),
        symbols: BTreeSet::new(),
        folders: BTreeSet::new(),
        places: BTreeSet::new(),
        unknown: BTreeSet::new(),
    });
    entry.symbols.extend(own.symbols());
    entry.folders.extend(object.folders.symbols());
    entry.places.insert(object.place.clone());
    entry.unknown.extend(own.unknowns());
    entry.unknown.extend(object.folders.unknowns());
}

/// "drivers/sound/snd-hda-intel.o" and "snd_hda_intel" are one module (kernel: `name-fix` of scripts/Makefile.lib).
fn module_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".o").or_else(|| name.strip_suffix(".ko")).unwrap_or(name).replace('-', "_")
}

/// What the root's Kbuild file sees of the top Makefile and of the architecture's (kernel: Makefile, "Objects we will link into
/// vmlinux", which exports ARCH_CORE, ARCH_LIB and ARCH_DRIVERS).
fn architecture(
    files: &dyn Files,
    unknown: &RefCell<Vec<Unknown>>,
    outer: &Variables,
    arch: &str,
) -> Variables {
    let mut reader = Reader::new(files, unknown, outer);
    let place = Place { file: "Makefile".into(), line: 1 };
    for name in ["core-y", "drivers-y", "drivers-m"] {
        reader.variables.set_words(name, Vec::new());
    }
    let library = Word { text: "lib/".into(), condition: Condition::Always, place };
    reader.variables.set_words("libs-y", vec![library]);
    reader.read(&format!("arch/{arch}/Makefile"));
    let mut seen = outer.clone();
    for name in reader.exported.clone() {
        if reader.variables.get(&name).is_some() {
            seen.set_words(&name, reader.list(&name));
        }
    }
    let folders = |name: &str| -> Vec<Word> {
        reader.list(name).into_iter().filter(|word| word.text.ends_with('/')).collect()
    };
    seen.set_words("ARCH_CORE", folders("core-y"));
    seen.set_words("ARCH_LIB", folders("libs-y"));
    seen.set_words("ARCH_DRIVERS", [folders("drivers-y"), folders("drivers-m")].concat());
    seen
}

/// When kbuild comes to a folder.
#[derive(Clone)]
struct Visit {
    /// To link what it lists into the kernel.
    built_in: Condition,
    /// At all.
    any: Condition,
}

struct Walk<'a> {
    files: &'a dyn Files,
    unknown: &'a RefCell<Vec<Unknown>>,
    outer: Variables,
    all: Vec<Object>,
    open: Vec<usize>,
}

impl Walk<'_> {
    /// The folders of libraries that the root's Kbuild file does not name itself.
    fn libraries(&self) -> Vec<Word> {
        let seen: BTreeSet<&str> =
            self.all.iter().filter_map(|it| it.path.rsplit_once('/')).map(|it| it.0).collect();
        let mut reader = Reader::new(self.files, self.unknown, &self.outer);
        reader.enter(".");
        reader
            .list("ARCH_LIB")
            .into_iter()
            .filter(|word| !seen.contains(word.text.trim_end_matches('/')))
            .collect()
    }

    fn folder(&mut self, folder: &str, visit: &Visit, depth: usize) {
        if depth > DEEPEST || visit.any == Condition::Never {
            return;
        }
        let mut reader = Reader::new(self.files, self.unknown, &self.outer);
        reader.enter(folder);
        // Kbuild has precedence over Makefile (kernel: kbuild-file of scripts/Kbuild.include).
        if !reader.read(&below(folder, "Kbuild")) && !reader.read(&below(folder, "Makefile")) {
            return;
        }
        self.open.extend(&reader.statements);
        let lists = Lists::of(&reader);
        self.note_open_words(&lists);
        for word in lists.built_in.iter().filter(|word| is_object(word)) {
            self.object(folder, word, List::BuiltIn, &visit.built_in, &reader);
        }
        for word in lists.modules.iter().filter(|word| is_object(word)) {
            self.object(folder, word, List::Module, &visit.any, &reader);
        }
        for (words, list) in [(&lists.libraries, List::Library), (&lists.extra, List::Extra)] {
            for word in words.iter().filter(|word| is_object(word)) {
                self.push(folder, word, list, &visit.any, None);
            }
        }
        for (name, below_it) in lists.folders() {
            let next =
                Visit { built_in: visit.built_in.and(&below_it.built_in), any: visit.any.and(&below_it.any) };
            let path = below(folder, &name);
            self.folder(path.trim_end_matches('/'), &next, depth + 1);
        }
    }

    fn note_open_words(&mut self, lists: &Lists) {
        for word in lists.every() {
            // A word that is not followed stands as it is written.
            if word.text.contains('$') {
                self.open.extend(word.condition.unknowns());
            }
        }
        self.open.sort_unstable();
        self.open.dedup();
    }

    /// An object of `obj-y` or `obj-m`: itself, or its parts if it has any (kernel: real-search of scripts/Makefile.lib).
    fn object(&mut self, folder: &str, word: &Word, list: List, folders: &Condition, reader: &Reader) {
        let stem = word.text.trim_end_matches(".o");
        let suffixes: &[&str] = match list {
            List::Module => &["-objs", "-y", "-m"],
            _ => &["-objs", "-y"],
        };
        let parts: Vec<Word> = suffixes.iter().flat_map(|it| reader.list(&format!("{stem}{it}"))).collect();
        let unused = reader.list(&format!("{stem}-"));
        let is_composite =
            parts.iter().chain(&unused).fold(Condition::Never, |all, part| all.or(&part.condition));
        for part in parts.iter().filter(|part| is_object(part)) {
            self.push(folder, part, list, folders, Some(word));
        }
        for part in parts.iter().filter(|part| part.text.contains('$')) {
            self.open.extend(part.condition.unknowns());
        }
        let alone = word.condition.and(&is_composite.negated());
        if alone != Condition::Never {
            self.push(folder, &Word { condition: alone, ..word.clone() }, list, folders, None);
        }
    }

    fn push(&mut self, folder: &str, word: &Word, list: List, folders: &Condition, whole: Option<&Word>) {
        let (own, part) = match whole {
            Some(whole) => (whole.condition.clone(), word.condition.clone()),
            None => (word.condition.clone(), Condition::Always),
        };
        let object = Object {
            path: below(folder, &word.text),
            list,
            part_of: whole.map(|whole| below(folder, &whole.text)),
            own,
            part,
            folders: folders.clone(),
            place: whole.unwrap_or(word).place.clone(),
            part_place: whole.map(|_| word.place.clone()),
        };
        if object.condition() != Condition::Never {
            self.all.push(object);
        }
    }
}

/// The lists of one folder.
struct Lists {
    built_in: Vec<Word>,
    modules: Vec<Word>,
    libraries: Vec<Word>,
    extra: Vec<Word>,
    subfolders: Vec<Word>,
}

impl Lists {
    fn of(reader: &Reader) -> Lists {
        let built_in = reader.list("obj-y");
        // What is built in is not made a module as well (kernel: scripts/Makefile.lib).
        let without = |mut words: Vec<Word>| {
            for word in &mut words {
                let same = built_in.iter().filter(|it| it.text == word.text);
                let built_in = same.fold(Condition::Never, |all, it| all.or(&it.condition));
                word.condition = word.condition.and(&built_in.negated());
            }
            words.retain(|word| word.condition != Condition::Never);
            words
        };
        let modules = without(reader.list("obj-m"));
        let libraries = without([reader.list("lib-y"), reader.list("lib-m")].concat());
        let subfolders = [reader.list("subdir-y"), reader.list("subdir-m")].concat();
        Lists { modules, libraries, extra: reader.list("extra-y"), subfolders, built_in }
    }

    fn every(&self) -> impl Iterator<Item = &Word> {
        [&self.built_in, &self.modules, &self.libraries, &self.extra, &self.subfolders].into_iter().flatten()
    }

    /// The folders below, and when kbuild comes to them.
    fn folders(&self) -> BTreeMap<String, Visit> {
        let mut found: BTreeMap<String, Visit> = BTreeMap::new();
        let mut add = |name: &str, built_in: &Condition, any: &Condition| {
            let never = Visit { built_in: Condition::Never, any: Condition::Never };
            let visit = found.entry(name.trim_end_matches('/').to_string()).or_insert(never);
            visit.built_in = visit.built_in.or(built_in);
            visit.any = visit.any.or(any);
        };
        for word in self.built_in.iter().filter(|word| is_folder(word)) {
            add(&word.text, &word.condition, &word.condition);
        }
        for word in self.modules.iter().filter(|word| is_folder(word)) {
            add(&word.text, &Condition::Never, &word.condition);
        }
        for word in self.subfolders.iter().filter(|word| !word.text.contains('$')) {
            add(&word.text, &Condition::Never, &word.condition);
        }
        found
    }
}

fn is_object(word: &Word) -> bool {
    word.text.ends_with(".o") && !word.text.contains('$')
}

fn is_folder(word: &Word) -> bool {
    word.text.ends_with('/') && !word.text.contains('$')
}

/// "drivers/net" and "../x/a.o" are "drivers/x/a.o".
fn below(folder: &str, name: &str) -> String {
    normal(&format!("{folder}/{name}"))
}

//! What the answer to a shell command depends on, as a key: two runs with the same key get the same answer.
//!
//! A key holds the command's text; the variables it and its scripts name, and those its programs read by themselves; the
//! identity of every file it names, present or absent; of every program it calls, in all places PATH has it; of what a
//! compiler says it uses itself (cc1, as, ld, its folders of headers and libraries); of the folders of PATH, the package
//! database and the shared libraries' cache; and whether its folder and the temporary folder can be written.
//!
//! A command that cannot be read for certain, or calls a program that is not in [`super::tools`], has no key.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::process::quote;

use super::probe_cache::{Key, ProbeCache, key_of};
use super::scripts::{ScriptFacts, read_scripts};
use super::sight::{ABSENT, Sight};
use super::tools::{self, Family};
use super::words::{self, Refusal, Script, Simple, Word};

/// Names tools' paths in the key of their own question, so that no command's key is the same.
const QUESTION: &str = "question";

/// The key of a command's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guarded {
    pub key: Key,
    /// The last change of anything the key was made of, in seconds since 1970.
    pub newest: i64,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// There can be none.
    Refused(Refusal),
    /// This question to a tool has to be answered first.
    Ask(ToolQuestion),
}

/// A question to a tool: which files do your answers depend on?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolQuestion {
    /// The shell command.
    pub command: String,
    /// The key of its answer.
    pub guarded: Guarded,
}

impl From<Refusal> for NoKey {
    fn from(refusal: Refusal) -> NoKey {
        NoKey::Refused(refusal)
    }
}

/// Makes keys; good for one look at the file system.
#[derive(Debug)]
pub(super) struct Guard {
    sight: Sight,
    cache: Arc<ProbeCache>,
    /// What tools answered in this run, by their question's key.
    learned: HashMap<Key, String>,
    /// What all keys hold: the system and the environment.
    common: Parts,
    /// What is known of a program, by its name and family.
    programs: HashMap<(String, u8), Result<Parts, NoKey>>,
    scripts: HashMap<PathBuf, Result<ScriptFacts, Refusal>>,
}

/// Pieces of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    texts: Vec<String>,
    newest: i64,
}

impl Parts {
    fn push(&mut self, text: impl Into<String>) {
        // A NUL would end a part early; no path or variable can hold one.
        self.texts.push(text.into().replace('\0', " "));
    }

    fn add(&mut self, other: &Parts) {
        self.texts.extend_from_slice(&other.texts);
        self.newest = self.newest.max(other.newest);
    }

    fn guarded(&self) -> Guarded {
        Guarded { key: key_of(self.texts.iter().map(String::as_str)), newest: self.newest }
    }
}

impl Guard {
    /// A guard that looks now. What tools answered about themselves is in `cache`, or in `learned` by the question's key.
    pub fn new(sight: Sight, cache: Arc<ProbeCache>, learned: HashMap<Key, String>) -> Guard {
        let (common, programs, scripts) = Default::default();
        let mut guard = Guard { sight, cache, learned, common, programs, scripts };
        guard.look_at_system();
        guard
    }

    /// What tools answered in this run, by their question's key.
    pub fn learned(&self) -> &HashMap<Key, String> {
        &self.learned
    }

    /// The key of the answer to `command`.
    pub fn key(&mut self, command: &str) -> Result<Guarded, NoKey> {
        let script = words::read(command)?;
        let mut parts = Parts::default();
        parts.push(command);
        let common = self.common.clone();
        parts.add(&common);
        self.variables(&mut parts, &script.variables);
        for simple in &script.commands {
            self.simple(simple, &script, &mut parts)?;
        }
        Ok(parts.guarded())
    }

    fn look_at_system(&mut self) {
        let mut parts = Parts::default();
        for (name, value) in self.sight.environment.iter() {
            let name = name.to_string_lossy();
            if tools::reads_variable(&name) {
                parts.push(format!("{name}={}", quote(value)));
            }
        }
        for file in tools::SYSTEM_FILES {
            self.file(&mut parts, Path::new(file));
        }
        for folder in self.sight.search_path().to_vec() {
            self.file(&mut parts, &folder);
        }
        parts.push(format!("user {}", rustix::process::geteuid().as_raw()));
        let temporary = self.sight.environment.text("TMPDIR").unwrap_or_else(|| "/tmp".to_string());
        for folder in [self.sight.folder.clone(), temporary.into()] {
            let writable = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
            parts.push(format!("writable {writable}"));
        }
        // One hash stands for all of it in the keys of commands.
        let hash = String::from_utf8_lossy(&parts.guarded().key).into_owned();
        self.common = Parts { texts: vec![hash], newest: parts.newest };
    }

    /// The identity of a file goes into the key.
    fn file(&mut self, parts: &mut Parts, path: &Path) -> bool {
        let identity = self.sight.identity(path);
        parts.newest = parts.newest.max(identity.newest);
        parts.push(format!("{} {}", path.display(), identity.text));
        identity.text != ABSENT
    }

    fn variables(&self, parts: &mut Parts, names: &BTreeSet<String>) {
        for name in names {
            match self.sight.environment.get(name) {
                Some(value) => parts.push(format!("{name}={}", quote(value))),
                None => parts.push(format!("{name} is unset")),
            }
        }
    }

    fn simple(&mut self, simple: &Simple, script: &Script, parts: &mut Parts) -> Result<(), NoKey> {
        for (name, value) in &simple.assignments {
            self.assigned(name, value, parts)?;
        }
        for input in &simple.inputs {
            if input.expands {
                return Err("its input is known only when it runs".into());
            }
            self.file(parts, Path::new(&input.text));
        }
        let mut words = &simple.words[..];
        while let [first, rest @ ..] = words {
            if first.expands {
                return self.named_in_variable(first, rest, script, parts);
            }
            if tools::family_of(&first.text) != Some(Family::Wrapper) {
                return self.program(&first.text, rest, parts);
            }
            self.identify(&first.text, Family::Wrapper, parts)?;
            words = self.inside_wrapper(rest, parts)?;
        }
        Ok(())
    }

    /// What a wrapper's words lead to: past its options and assignments.
    fn inside_wrapper<'w>(&mut self, mut words: &'w [Word], parts: &mut Parts) -> Result<&'w [Word], NoKey> {
        while let [first, rest @ ..] = words {
            if let Some((name, value)) = words::assignment(first) {
                self.assigned(&name, &value, parts)?;
            } else if !matches!(first.text.as_str(), "-v" | "--") {
                if first.text.starts_with('-') {
                    return Err("its wrapper's options are not understood".into());
                }
                break;
            }
            words = rest;
        }
        Ok(words)
    }

    /// `NAME=value`: the text is the command's; a program that it names counts too.
    fn assigned(&mut self, name: &str, value: &Word, parts: &mut Parts) -> Result<(), NoKey> {
        if value.expands {
            return Err("a variable is known only when it runs".into());
        }
        if name == "PATH" || tools::reads_variable(name) && name != "LC_ALL" && name != "LANG" {
            return Err("it changes what its programs see".into());
        }
        match tools::ROLES.iter().find(|(role, _)| *role == name) {
            Some((_, family)) => self.role(&value.text, *family, parts),
            None => Ok(()),
        }
    }

    /// `$CC -x c …`: the variable's words come first.
    fn named_in_variable(
        &mut self,
        first: &Word,
        rest: &[Word],
        script: &Script,
        parts: &mut Parts,
    ) -> Result<(), NoKey> {
        let name = first.text.strip_prefix('$').filter(|name| script.variables.contains(*name));
        let Some(name) = name.filter(|_| !first.quoted) else {
            return Err("its program is known only when it runs".into());
        };
        let value = self.sight.environment.text(name).unwrap_or_default();
        let mut words: Vec<Word> =
            value.split_whitespace().map(|text| Word { text: text.to_string(), ..Word::default() }).collect();
        words.extend_from_slice(rest);
        if words.first().is_some_and(|word| word.expands) {
            return Err("its program is known only when it runs".into());
        }
        self.simple(&Simple { words, ..Simple::default() }, script, parts)
    }

    /// A program and its arguments.
    fn program(&mut self, program: &str, arguments: &[Word], parts: &mut Parts) -> Result<(), NoKey> {
        let family = self.named_by_variable(program).or_else(|| tools::family_of(program));
        let Some(family) = family else {
            return self.script(program, arguments, parts);
        };
        self.identify(program, family, parts)?;
        if program == "trap" {
            return self.trap(arguments);
        }
        if family == Family::Words {
            return Ok(());
        }
        let recursive = |word: &Word| word.text.starts_with('-') && word.text.contains(['r', 'R']);
        if program.ends_with("grep") && arguments.iter().any(recursive) {
            return Err("it may read whole folders".into());
        }
        if family == Family::Scratch {
            return match arguments.iter().all(|word| word.text.starts_with('-') || word.text.contains("$$")) {
                true => Ok(()),
                false => Err("it changes files".into()),
            };
        }
        if family == Family::Python {
            return self.imports(arguments, parts);
        }
        for word in arguments {
            self.argument(word, family, parts)?;
        }
        Ok(())
    }

    /// `trap ACTION EXIT`, where the action only removes what the command made.
    fn trap(&self, arguments: &[Word]) -> Result<(), NoKey> {
        let action = arguments.first().map_or("", |word| word.text.as_str());
        let script = words::read(action)?;
        let scratch = |words: &[Word]| {
            let [program, operands @ ..] = words else { return false };
            let own = |word: &Word| word.text.starts_with('-') || word.text.contains("$$");
            tools::family_of(&program.text) == Some(Family::Scratch) && operands.iter().all(own)
        };
        let plain = |simple: &Simple| simple.assignments.is_empty() && scratch(&simple.words);
        match script.commands.iter().all(plain) {
            true => Ok(()),
            false => Err("its trap does more than tidy up".into()),
        }
    }

    /// The family of a program that a make variable names, whatever it is called.
    fn named_by_variable(&self, program: &str) -> Option<Family> {
        tools::ROLES
            .iter()
            .find(|(role, _)| self.sight.environment.get(role).is_some_and(|value| value == program))
            .map(|(_, family)| *family)
    }

    fn argument(&mut self, word: &Word, family: Family, parts: &mut Parts) -> Result<(), NoKey> {
        if word.expands {
            // The process id only names scratch files; parameters come from `set` in the same command.
            let text = word.text.replace("$$", "").replace("$1", "").replace("$2", "");
            return if text.contains('$') {
                Err("an argument is known only when it runs".into())
            } else {
                Ok(())
            };
        }
        let compiles = matches!(family, Family::Compiler | Family::Rust);
        if compiles && tools::reads_elsewhere(&word.text) || word.text.starts_with('@') {
            return Err("it reads files that its words do not name".into());
        }
        let path = match word.text.split_once('=') {
            Some((option, value)) if option.starts_with('-') && value.contains('/') => value,
            _ if word.text.starts_with('-') || word.text.is_empty() => return Ok(()),
            _ => word.text.as_str(),
        };
        // A name longer than NAME_MAX is no file, only text.
        if path.len() > 255 || path == "/dev/null" {
            return Ok(());
        }
        if self.file(parts, Path::new(path)) && compiles && self.sight.folder.join(path).is_file() {
            return Err("it compiles a file, which may include others".into());
        }
        Ok(())
    }

    /// A program's identity, wherever PATH has it, and that of the files it says it uses.
    fn identify(&mut self, program: &str, family: Family, parts: &mut Parts) -> Result<(), NoKey> {
        let name = (program.to_string(), family as u8);
        if !self.programs.contains_key(&name) {
            let found = self.look_at(program, family);
            self.programs.insert(name.clone(), found);
        }
        match &self.programs[&name] {
            Ok(found) => {
                parts.add(found);
                Ok(())
            }
            Err(reason) => Err(reason.clone()),
        }
    }

    fn look_at(&mut self, program: &str, family: Family) -> Result<Parts, NoKey> {
        let mut parts = Parts::default();
        if matches!(family, Family::Rust | Family::Python | Family::Wrapper) {
            // Where ccache, rustup and Python look for their settings.
            parts.push(format!("{:?}", self.sight.environment.get("HOME")));
        }
        let environment = Arc::clone(&self.sight.environment);
        // One that is not there chooses nothing, in whatever folder that is.
        for file in tools::choosers(family, &self.sight.folder, |name| environment.text(name)) {
            if self.sight.identity(Path::new(&file)).text != ABSENT {
                self.file(&mut parts, Path::new(&file));
            }
        }
        let shallow = self.places(program, family, &mut parts)?;
        let Some(command) = tools::question(family, program).filter(|_| shallow) else {
            return Ok(hashed(&parts));
        };
        let mut asked = parts.clone();
        asked.add(&self.common.clone());
        asked.push(QUESTION);
        asked.push(&command);
        let guarded = asked.guarded();
        let known = self.learned.get(&guarded.key).cloned().or_else(|| self.cache.get(&guarded.key));
        let Some(answer) = known else {
            return Err(NoKey::Ask(ToolQuestion { command, guarded }));
        };
        for named in tools::named_in(family, &answer) {
            if named.contains('/') {
                self.file(&mut parts, Path::new(&named));
            } else {
                self.places(&named, Family::Plain, &mut parts)?;
            }
        }
        Ok(hashed(&parts))
    }

    /// Puts the identity of all files that `program` may lead to into `parts`; whether there is any.
    fn places(&mut self, program: &str, family: Family, parts: &mut Parts) -> Result<bool, NoKey> {
        parts.push(format!("program {program}"));
        let places = match program.contains('/') {
            true => vec![PathBuf::from(program)],
            false => self.sight.in_path(program),
        };
        let mut found = false;
        for place in places {
            found |= self.file(parts, &place);
            let judged = matches!(family, Family::Compiler | Family::Plain | Family::Rust | Family::Python);
            if judged && is_script(&self.sight.folder.join(&place)) && !chosen_by_pyenv(&place, family) {
                return Err("a program it calls is a script".into());
            }
        }
        Ok(found)
    }

    /// The program and its words, as a make variable holds them.
    fn role(&mut self, value: &str, family: Family, parts: &mut Parts) -> Result<(), NoKey> {
        let mut words = value.split_whitespace();
        let Some(mut program) = words.next() else { return Ok(()) };
        while tools::family_of(program) == Some(Family::Wrapper) {
            self.identify(program, Family::Wrapper, parts)?;
            match words.next() {
                Some(next) if !next.starts_with('-') && !next.contains('=') => program = next,
                _ => return Err("its wrapper's options are not understood".into()),
            }
        }
        self.identify(program, family, parts)?;
        match words.any(tools::reads_elsewhere) {
            true => Err("it reads files that its words do not name".into()),
            false => Ok(()),
        }
    }

    /// `-c "import name"`: where each folder of sys.path has the module, or has it not.
    fn imports(&mut self, arguments: &[Word], parts: &mut Parts) -> Result<(), NoKey> {
        let texts: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
        let Some(modules) = tools::imported(&texts).filter(|_| arguments.iter().all(|word| !word.expands))
        else {
            return Err("it runs a program of its own".into());
        };
        for module in modules {
            // The folders of sys.path are in the key by their own times; the folder it runs in comes first there.
            for name in [module.clone(), format!("{module}.py"), format!("{module}/__init__.py")] {
                self.file(parts, Path::new(&name));
            }
        }
        Ok(())
    }

    /// A script of the tree: its text, that of the scripts it names beside it, and the programs of the variables in them.
    fn script(&mut self, program: &str, arguments: &[Word], parts: &mut Parts) -> Result<(), NoKey> {
        if !program.contains('/') {
            return Err("it calls a program that is not known to give the same answer each time".into());
        }
        let path = PathBuf::from(program);
        if !self.scripts.contains_key(&path) {
            let facts = read_scripts(&self.sight.folder, &path);
            self.scripts.insert(path.clone(), facts);
        }
        let facts = self.scripts[&path].clone()?;
        for file in facts.files.iter().chain(&facts.named) {
            self.file(parts, file);
        }
        self.variables(parts, &facts.variables);
        for (role, family) in tools::ROLES {
            if facts.variables.contains(*role)
                && let Some(value) = self.sight.environment.text(role)
            {
                self.role(&value, *family, parts)?;
            }
        }
        for word in arguments {
            let family = self.named_by_variable(&word.text).or_else(|| tools::family_of(&word.text));
            match family.filter(|_| !word.expands) {
                Some(family) => self.identify(&word.text, family, parts)?,
                None => self.argument(word, Family::Compiler, parts)?,
            }
        }
        Ok(())
    }
}

/// Many identities as one piece of a key.
fn hashed(parts: &Parts) -> Parts {
    let hash = String::from_utf8_lossy(&parts.guarded().key).into_owned();
    Parts { texts: vec![hash], newest: parts.newest }
}

fn is_script(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"#!"
}

/// pyenv's shims are scripts that call the Python which the files of [`tools::choosers`] choose.
fn chosen_by_pyenv(path: &Path, family: Family) -> bool {
    family == Family::Python && path.parent().is_some_and(|folder| folder.ends_with("shims"))
}

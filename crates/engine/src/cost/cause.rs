//! Which option is behind each object that is compiled again.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ktree::{Files, Mention, Objects, mentions};

use super::Changed;
use super::log::{Made, Why, is_object};

/// What an object is compiled again for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// An option has another value.
    Option(String),
    /// The kernel was linked anew: what holds addresses of it follows.
    Link,
    /// A file has changed that no option made change.
    File(String),
    /// The command is another one, and no option is known that changed it.
    Command,
    /// It was not there, or nothing is known of how it was made.
    New,
}

/// How a cause reaches an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It, or a header it includes, asks for the option's value.
    Reads,
    /// A generated file has changed.
    Through(String),
    /// These words of its command have come or gone.
    Flags(String),
    /// It has not been part of the kernel.
    New,
    /// The cause itself says it.
    Itself,
}

/// The two commands of a target that was made before: the old one and the new one, as kbuild keeps them.
pub type Commands = HashMap<String, (String, String)>;

/// What an answer needs.
pub struct Causes<'a> {
    made: HashMap<&'a str, &'a Made>,
    changed: BTreeSet<&'a str>,
    commands: &'a Commands,
    files: &'a dyn Files,
    objects: OnceCell<Option<Objects>>,
    arch: &'a str,
    mentions: RefCell<HashMap<String, Vec<Mention>>>,
}

type Found = BTreeSet<(Root, Way)>;

impl<'a> Causes<'a> {
    /// `made` is what kbuild said, `changed` the options that differ, `commands` what was kept of commands; the rest is the source
    /// tree and the name of its folder below arch/.
    pub fn new(
        made: &'a [Made],
        changed: &'a [Changed],
        commands: &'a Commands,
        files: &'a dyn Files,
        arch: &'a str,
    ) -> Causes<'a> {
        Causes {
            made: made.iter().map(|it| (it.target.as_str(), it)).collect(),
            changed: changed.iter().map(|it| it.symbol.as_str()).collect(),
            commands,
            files,
            objects: OnceCell::new(),
            arch,
            mentions: RefCell::default(),
        }
    }

    /// The objects, each with its causes.
    pub fn all(&self) -> BTreeMap<String, BTreeSet<(Root, Way)>> {
        let objects = self.made.values().filter(|it| is_object(it));
        objects.map(|it| (it.target.clone(), self.of(&it.target, &mut Vec::new()))).collect()
    }

    fn of(&self, target: &'a str, under_way: &mut Vec<&'a str>) -> Found {
        let mut found = Found::new();
        let Some(made) = self.made.get(target).filter(|_| !under_way.contains(&target)) else { return found };
        under_way.push(target);
        match &made.why {
            Why::Newer(files) => {
                for file in files {
                    found.extend(self.of_file(file, under_way));
                }
                found.extend(self.of_command(target));
            }
            Why::Command => {
                found.extend(self.of_command(target));
                if found.is_empty() {
                    found.insert((Root::Command, Way::Itself));
                }
            }
            Why::Missing | Why::NoRecord | Why::Always | Why::Unsaid => found.extend(self.of_new(target)),
        }
        under_way.pop();
        found
    }

    fn of_file(&self, file: &'a str, under_way: &mut Vec<&'a str>) -> Found {
        if let Some(symbol) = file.strip_prefix("include/config/")
            && self.changed.contains(symbol)
        {
            return [(Root::Option(symbol.to_string()), Way::Reads)].into();
        }
        let name = file.rsplit('/').next().unwrap_or(file);
        if name.starts_with("vmlinux") {
            return [(Root::Link, Way::Itself)].into();
        }
        // asm-offsets.h is what sed makes of asm-offsets.s (kernel: Kbuild, filechk_offsets).
        let stem = name.strip_suffix(".h");
        let from_assembler = stem.and_then(|stem| {
            let suffix = format!("/{stem}.s");
            self.made.keys().find(|target| target.ends_with(&suffix)).copied()
        });
        let is_update = self.made.get(file).is_some_and(|it| it.tool == "UPD");
        if let (None, true, Some(stem)) = (from_assembler, is_update, stem) {
            // A header of a line or two, by a rule that names the option (kernel: Kbuild, filechk_gentimeconst).
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let through = Way::Through(file.to_string());
            let found = self.mentioned(&self.makefiles_of(folder), |text| text.contains(stem), through);
            return if found.is_empty() { [(Root::File(file.into()), Way::Itself)].into() } else { found };
        }
        let producer = from_assembler.or_else(|| self.made.get_key_value(file).map(|(target, _)| *target));
        let causes = producer.map(|target| self.of(target, under_way)).unwrap_or_default();
        if causes.is_empty() {
            return match self.made.contains_key(file) {
                true => [(Root::New, Way::Through(file.to_string()))].into(),
                false => [(Root::File(file.to_string()), Way::Itself)].into(),
            };
        }
        let through = |(root, way)| match (&root, way) {
            (Root::Link, way) => (root, way),
            _ => (root, Way::Through(file.to_string())),
        };
        causes.into_iter().map(through).collect()
    }

    /// The options that the Makefiles name beside an object that was not there.
    fn of_new(&self, target: &str) -> Found {
        let objects = self.objects.get_or_init(|| Objects::read(self.files, self.arch));
        let all = objects.iter().flat_map(|it| &it.all).filter(|object| object.path == target);
        let symbols = all.flat_map(|object| object.condition().all_symbols());
        let mut found: Found = symbols
            .filter(|symbol| self.changed.contains(&**symbol))
            .map(|symbol| (Root::Option(symbol.to_string()), Way::New))
            .collect();
        if found.is_empty() {
            // What is made by a rule of its own: the options of the lines that name it.
            let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
            let stem = name.trim_end_matches(".o");
            let named =
                |text: &str| text.split([' ', '\t', '/', ')']).any(|word| word == name || word == stem);
            found = self.mentioned(&self.makefiles_of(folder)[..2], named, Way::New);
        }
        if found.is_empty() {
            found.insert((Root::New, Way::Itself));
        }
        found
    }

    /// The options behind words that have come into its command or gone from it.
    fn of_command(&self, target: &str) -> Found {
        let Some((old, new)) = self.commands.get(target) else { return Found::new() };
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<BTreeSet<String>>();
        let (old, new) = (words(old), words(new));
        let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = Found::new();
        for (word, sign) in
            old.difference(&new).map(|it| (it, '-')).chain(new.difference(&old).map(|it| (it, '+')))
        {
            let way = Way::Flags(format!("{sign}{word}"));
            let exact = |text: &str| text.contains(word.as_str());
            let makefiles = self.all_makefiles(folder);
            let mut options = self.mentioned(&makefiles, exact, way.clone());
            if options.is_empty() {
                let start = word.split_once('=').map_or(word.as_str(), |(start, _)| start);
                options = self.mentioned(&makefiles, |text| text.contains(start), way.clone());
            }
            if options.is_empty() {
                options.insert((Root::Command, way));
            }
            found.extend(options);
        }
        found
    }

    fn mentioned(&self, makefiles: &[String], is_meant: impl Fn(&str) -> bool, way: Way) -> Found {
        let mut found = Found::new();
        for path in makefiles {
            let mut kept = self.mentions.borrow_mut();
            let lines = kept.entry(path.clone()).or_insert_with(|| mentions(self.files, path));
            for line in lines.iter().filter(|line| is_meant(&line.text)) {
                let changed = line.symbols.iter().filter(|symbol| self.changed.contains(symbol.as_str()));
                found.extend(changed.map(|symbol| (Root::Option(symbol.clone()), way.clone())));
            }
        }
        found
    }

    /// The Makefiles of a folder and of those above it.
    fn makefiles_of(&self, folder: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut folder = folder;
        loop {
            let below = |name: &str| if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
            all.extend([below("Kbuild"), below("Makefile")]);
            match folder.rsplit_once('/') {
                Some((above, _)) => folder = above,
                None if folder.is_empty() => return all,
                None => folder = "",
            }
        }
    }

    /// All Makefiles that can say something of a compiler's flags for an object of the folder.
    fn all_makefiles(&self, folder: &str) -> Vec<String> {
        let mut all = self.makefiles_of(folder);
        all.push(format!("arch/{}/Makefile", self.arch));
        all.push(format!("arch/{}/Makefile_32.cpu", self.arch));
        all.extend(FLAGS.iter().map(|name| format!("scripts/Makefile.{name}")));
        all
    }
}

/// scripts/Makefile.* that set flags (kernel: Makefile, include-y, and scripts/Makefile.build).
const FLAGS: &[&str] = &[
    "lib",
    "build",
    "compiler",
    "extrawarn",
    "debug",
    "kasan",
    "kcsan",
    "kmsan",
    "kcov",
    "ubsan",
    "gcc-plugins",
    "randstruct",
    "clang",
    "btf",
    "autofdo",
    "propeller",
    "context-analysis",
];

#[cfg(test)]
mod tests {
    use super::super::log::made;
    use super::*;

    struct Given(Vec<(&'static str, &'static str)>);

    impl Files for Given {
        fn read(&self, path: &str) -> Option<String> {
            self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| text.to_string())
        }

        fn exists(&self, path: &str) -> bool {
            self.read(path).is_some()
        }
    }

    #[test]
    fn causes_are_followed_to_the_options() {
        let files = Given(vec![
            (
                "Kbuild",
                "obj-y += init/\nobj-$(CONFIG_NET) += net.o\nfilechk_gentimeconst = echo $(CONFIG_HZ)\n",
            ),
            ("Makefile", "ifdef CONFIG_FRAME_POINTER\nKBUILD_CFLAGS += -fno-omit-frame-pointer\nendif\n"),
            ("init/Makefile", "obj-y += main.o\n"),
        ]);
        let lines = [
            "  CC      arch/x86/kernel/asm-offsets.s - due to: include/config/SMP",
            "  UPD     include/generated/asm-offsets.h",
            "  CC      init/main.o - due to: include/config/SMP",
            "  AS      init/entry.o - due to: include/generated/asm-offsets.h",
            "  UPD     include/generated/timeconst.h",
            "  CC      init/time.o - due to: include/generated/timeconst.h",
            "  CC      net.o - due to target missing",
            "  CC      init/flags.o - due to command line change",
            "  LD      vmlinux - due to: vmlinux.o",
            "  VOFFSET arch/x86/boot/voffset.h - due to: vmlinux",
            "  CC      arch/x86/boot/misc.o - due to: arch/x86/boot/voffset.h",
            "  CC      init/own.o - due to: /tree/init/own.c",
        ];
        let made: Vec<Made> = lines.iter().filter_map(|line| made(line)).collect();
        let changed = ["SMP", "NET", "FRAME_POINTER", "HZ"].map(|it| Changed {
            symbol: it.into(),
            from: String::new(),
            to: "y".into(),
        });
        let commands =
            [("init/flags.o".to_string(), ("gcc -O2".into(), "gcc -O2 -fno-omit-frame-pointer".into()))];
        let commands: Commands = commands.into();
        let causes = Causes::new(&made, &changed, &commands, &files, "x86").all();
        let of = |target: &str| causes[target].iter().next().cloned().unwrap();
        let option = |name: &str| Root::Option(name.to_string());
        assert_eq!(of("init/main.o"), (option("SMP"), Way::Reads));
        let header = Way::Through("include/generated/asm-offsets.h".into());
        assert_eq!(of("init/entry.o"), (option("SMP"), header));
        let header = Way::Through("include/generated/timeconst.h".into());
        assert_eq!(of("init/time.o"), (option("HZ"), header));
        assert_eq!(of("net.o"), (option("NET"), Way::New));
        assert_eq!(
            of("init/flags.o"),
            (option("FRAME_POINTER"), Way::Flags("+-fno-omit-frame-pointer".into()))
        );
        assert_eq!(of("arch/x86/boot/misc.o"), (Root::Link, Way::Itself));
        assert_eq!(of("init/own.o"), (Root::File("/tree/init/own.c".into()), Way::Itself));
    }
}

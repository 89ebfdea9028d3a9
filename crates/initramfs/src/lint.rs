//! What would keep an archive from booting, found without booting it.
//!
//! Sources: `kernel_init` and `run_init_process` of init/main.c, `bprm_execve` of fs/exec.c, fs/binfmt_script.c,
//! fs/binfmt_elf.c, init/initramfs.c and lib/decompress.c (6.12); the errors are those that the kernel's
//! "Failed to execute /init (error -2)" counts.

mod program;

use std::collections::HashMap;
use std::io::{self, Read};

use crate::error::show;
use crate::image::ImageSummary;
use crate::read::ImageReader;
use crate::source::Source;
use crate::tree::{Dropped, Node, NodeKind, Outcome, Rules, Tree};
use program::{HEAD, Program};

/// Programs that may stand for one another, one after the other (`exec_binprm` of fs/exec.c).
const CHAIN_MAX: usize = 5;
/// As many findings are kept of each code; an archive can have a million of the same.
const SAME_MAX: usize = 20;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The archive boots, but not all of it is as written.
    Warning,
    /// The kernel does not get to run init.
    Error,
}

/// Something that is wrong with an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is, in a word that stays the same: "no-init".
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, a path without a leading `/`.
    pub path: Option<Vec<u8>>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The value of a kernel option in a `.config`, without `CONFIG_`: "y", "\"text\""; None if it is not set.
pub type Options<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks for what would keep `image` from booting. `init` is the program the kernel is told to start: `/init`, or what rdinit=
/// says. With `options` the kernel's abilities are looked at, too. `cancelled` is asked now and then; once it says yes, what was
/// found so far is returned.
///
/// Errors: `image` cannot be read. Damage in it is a finding.
pub fn lint<S: Source + Clone>(
    image: S,
    init: &[u8],
    options: Option<Options>,
    cancelled: impl Fn() -> bool,
) -> io::Result<Vec<Finding>> {
    let mut findings = Findings::default();
    let mut tree = Tree::new(Rules::Kernel);
    let mut programs = HashMap::new();
    let mut reader = ImageReader::new(image)?;
    let mut number = 0;
    let mut head = Vec::new();
    while let Some(mut entry) = reader.next_entry()? {
        if cancelled() {
            return Ok(findings.all);
        }
        let header = entry.header();
        let applied = tree.apply(&entry.tree_entry(number));
        match applied.outcome {
            Outcome::Dropped(why) => findings.dropped(entry.name(), why),
            _ if header.mode & 0o111 != 0 && header.size > 0 && entry.target().is_empty() => {
                head.clear();
                // Damage is among the problems; what was read before it is looked at.
                let _ = (&mut entry).take(HEAD).read_to_end(&mut head);
                programs.insert(number, Program::of(&head));
            }
            _ => {}
        }
        number += 1;
    }
    findings.problems(reader.summary());
    let archive = Archive { tree, programs, options };
    findings.abilities(&archive, reader.summary());
    findings.console(&archive);
    findings.start(&archive, init);
    findings.others(&archive, init);
    findings.all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings.all)
}

/// What was read of an archive.
struct Archive<'a> {
    tree: Tree,
    /// Executable files by the number of the entry that has the data.
    programs: HashMap<u64, Program>,
    options: Option<Options<'a>>,
}

impl Archive<'_> {
    /// Whether the kernel has an option; `true` as long as no configuration says otherwise.
    fn has(&self, option: &str) -> bool {
        self.options.is_none_or(|options| matches!(options(option).as_deref(), Some("y")))
    }

    /// Whether a configuration is there and has an option.
    fn surely_has(&self, option: &str) -> bool {
        self.options.is_some() && self.has(option)
    }

    fn program(&self, node: &Node) -> Option<&Program> {
        match &node.kind {
            NodeKind::File { content, .. } => self.programs.get(content),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    counts: HashMap<&'static str, usize>,
}

/// How a program that cannot be started is told: of what, through what, and how bad that is.
struct Start<'a> {
    path: &'a [u8],
    severity: Severity,
}

impl Findings {
    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        path: Option<&[u8]>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count <= SAME_MAX {
            let path = path.map(<[u8]>::to_vec);
            self.all.push(Finding { code, severity, path, what: what.into(), remedy: remedy.into() });
        }
    }

    /// An entry that the kernel leaves out.
    fn dropped(&mut self, name: &[u8], why: Dropped) {
        let (code, remedy) = match why {
            Dropped::NoDirectory => ("directory-late", "put the directory before what it holds"),
            Dropped::NotADirectory => ("not-a-directory", "give the directory an entry of its own"),
            Dropped::NameTooLong => ("name-too-long", "shorten it: 255 bytes a part, 4095 in all"),
            Dropped::DirectoryInTheWay => {
                ("directory-in-the-way", "leave the directory out of the earlier segment")
            }
            _ => ("left-out", "pack the archive again"),
        };
        self.add(
            code,
            Severity::Warning,
            Some(name),
            format!("the kernel leaves it out: {}", why.why()),
            remedy,
        );
    }

    /// What the reader found wrong.
    fn problems(&mut self, summary: &ImageSummary) {
        for problem in &summary.problems {
            let severity = if problem.fault.stops() { Severity::Error } else { Severity::Warning };
            let remedy = match problem.fault.stops() {
                true => "make or copy the archive again: the kernel stops unpacking there",
                false => "pack the archive again",
            };
            self.add("damaged", severity, None, problem.to_string(), remedy);
        }
    }

    /// What the kernel cannot do for want of an option.
    fn abilities(&mut self, archive: &Archive, summary: &ImageSummary) {
        if !archive.has("BLK_DEV_INITRD") {
            let what = "this kernel takes no initramfs from a boot loader";
            self.add("no-initrd", Severity::Error, None, what, "CONFIG_BLK_DEV_INITRD=y");
        }
        let mut told = Vec::new();
        for segment in &summary.segments {
            let Some(option) = segment.form.kernel_option().filter(|option| !archive.has(option)) else {
                continue;
            };
            if !told.contains(&option) {
                let what = format!(
                    "the segment at byte {} is {}, which this kernel does not unpack",
                    segment.offset,
                    segment.form.name()
                );
                self.add(
                    "compression",
                    Severity::Error,
                    None,
                    what,
                    format!("CONFIG_{option}=y, or pack it with another --compress"),
                );
                told.push(option);
            }
        }
    }

    /// /dev/console, which init has as its three streams. The archive that is built into every kernel brings it, unless that
    /// is another one (usr/default_cpio_list, CONFIG_INITRAMFS_SOURCE).
    fn console(&mut self, archive: &Archive) {
        let path = b"dev/console";
        let remedy = "nod /dev/console 0600 0 0 c 5 1";
        match archive.tree.resolve(path).map(|id| &archive.tree.node(id).kind) {
            Some(NodeKind::Character { major: 5, minor: 1 }) => {}
            Some(_) => {
                let what = "it is not the character device 5:1: init has no console";
                self.add("console", Severity::Warning, Some(path), what, remedy);
            }
            None => {
                let own = archive.options.and_then(|options| options("INITRAMFS_SOURCE"));
                if own.is_some_and(|source| source != "\"\"") {
                    let what = "it is missing, and the archive built into this kernel may lack it too";
                    self.add("console", Severity::Warning, Some(path), what, remedy);
                }
            }
        }
    }

    /// The program that the kernel starts, and those that start it.
    fn start(&mut self, archive: &Archive, init: &[u8]) {
        let path = init.strip_prefix(b"/").unwrap_or(init);
        let start = Start { path, severity: Severity::Error };
        let shown = show(path);
        let Some(id) = archive.tree.resolve(path) else {
            let (what, remedy) = match archive.tree.find(path) {
                Some(_) => (
                    format!("{shown} is a symbolic link to nothing"),
                    "mend the link, or put the program where it leads",
                ),
                None => (
                    format!("there is no {shown}: the kernel would look for a root file system instead"),
                    "add it, or name another program by rdinit=",
                ),
            };
            return self.add("no-init", Severity::Error, Some(path), what, remedy);
        };
        let node = archive.tree.node(id);
        match &node.kind {
            NodeKind::File { size: 0, .. } => {
                self.add(
                    "init-empty",
                    Severity::Error,
                    Some(path),
                    "it is empty",
                    "give it a program or a script",
                );
            }
            NodeKind::File { .. } if node.mode & 0o111 == 0 => {
                let what = format!("its mode is {:04o}: it may not be executed (error -13)", node.mode);
                self.add("not-executable", Severity::Error, Some(path), what, "chmod 755");
            }
            NodeKind::File { .. } => self.chain(archive, &start, node, 0),
            _ => self.add(
                "init-no-file",
                Severity::Error,
                Some(path),
                "it is no regular file (error -13)",
                "make it a program or a script",
            ),
        }
    }

    /// Everything else that may be executed and cannot: only a warning, as nobody may ever start it.
    fn others(&mut self, archive: &Archive, init: &[u8]) {
        let first = archive.tree.resolve(init);
        archive.tree.walk(|path, name| {
            let node = archive.tree.node(name.node);
            let needs = matches!(
                archive.program(node),
                Some(Program::Script { .. } | Program::Elf { loader: Some(_), .. })
            );
            if needs && Some(name.node) != first {
                self.chain(archive, &Start { path, severity: Severity::Warning }, node, 0);
            }
        });
    }

    /// A program, and what it needs to be started.
    fn chain(&mut self, archive: &Archive, start: &Start, node: &Node, depth: usize) {
        match archive.program(node) {
            Some(Program::Script { interpreter, carriage_return }) => {
                if *carriage_return {
                    let what = format!(
                        "its first line ends with a carriage return, which becomes part of {} or its argument (error -2)",
                        show(interpreter)
                    );
                    return self.add(
                        "carriage-return",
                        start.severity,
                        Some(start.path),
                        what,
                        "save it with Unix line ends: sed -i 's/\\r$//'",
                    );
                }
                if !archive.has("BINFMT_SCRIPT") {
                    let what = "it is a script, which this kernel does not start (error -8)";
                    return self.add(
                        "no-script",
                        start.severity,
                        Some(start.path),
                        what,
                        "CONFIG_BINFMT_SCRIPT=y",
                    );
                }
                self.next(archive, start, interpreter, depth, ("no-interpreter", "interpreter"));
            }
            Some(Program::Elf { wide, machine, loader }) => {
                if !self.fits(archive, start, *wide, *machine) {
                    return;
                }
                if let Some(loader) = loader {
                    self.next(archive, start, loader, depth, ("no-loader", "dynamic loader"));
                }
            }
            Some(Program::Unknown) if start.severity == Severity::Error => {
                let what = "it is neither an ELF file nor a script with #! in its first line (error -8)";
                self.add("no-shebang", start.severity, Some(start.path), what, "begin it with #!/bin/sh");
            }
            Some(Program::Unknown) | None => {}
        }
    }

    /// An interpreter or loader.
    fn next(
        &mut self,
        archive: &Archive,
        start: &Start,
        name: &[u8],
        depth: usize,
        (code, role): (&'static str, &str),
    ) {
        let shown = String::from_utf8_lossy(name);
        let found = archive.tree.resolve(name).map(|id| archive.tree.node(id));
        match found {
            None => {
                let what = format!("its {role} {shown} is not in the archive (error -2)");
                self.add(
                    code,
                    start.severity,
                    Some(start.path),
                    what,
                    format!("add {shown}, or use a static program"),
                );
            }
            Some(node) if !matches!(node.kind, NodeKind::File { .. }) || node.mode & 0o111 == 0 => {
                let what = format!("its {role} {shown} may not be executed (error -13)");
                self.add(
                    "not-executable",
                    start.severity,
                    Some(start.path),
                    what,
                    format!("chmod 755 {shown}"),
                );
            }
            Some(_) if depth >= CHAIN_MAX => {
                let what = format!("more than {CHAIN_MAX} interpreters call one another (error -40)");
                self.add("loop", start.severity, Some(start.path), what, "end the chain with a program");
            }
            // A loader is not started itself: it has to be there, and of the same kind.
            Some(node) if role == "interpreter" => self.chain(archive, start, node, depth + 1),
            Some(_) => {}
        }
    }

    /// Whether the kernel runs ELF files of this class and for this processor.
    fn fits(&mut self, archive: &Archive, start: &Start, wide: bool, machine: u16) -> bool {
        let severity = start.severity;
        let bits = if wide { 64 } else { 32 };
        let compat = ["IA32_EMULATION", "COMPAT"].iter().any(|option| archive.surely_has(option));
        let (what, remedy) = if !archive.has("BINFMT_ELF") {
            (
                "it is an ELF program, which this kernel does not start (error -8)".to_string(),
                "CONFIG_BINFMT_ELF=y".to_string(),
            )
        } else if wide && !archive.has("64BIT") {
            (
                "it is a 64-bit program and this is a 32-bit kernel (error -8)".to_string(),
                "CONFIG_64BIT=y".to_string(),
            )
        } else if !wide && archive.surely_has("64BIT") && !compat {
            (
                "it is a 32-bit program, which this 64-bit kernel does not start (error -8)".to_string(),
                "CONFIG_IA32_EMULATION=y (x86) or a 64-bit program".to_string(),
            )
        } else if let Some((_, known)) = MACHINES
            .iter()
            .find(|(option, _)| archive.surely_has(option))
            .filter(|(_, known)| !known.contains(&machine))
        {
            (
                format!(
                    "it is for another processor (ELF machine {machine}; this kernel runs {known:?}, {bits}-bit here) (error -8)"
                ),
                "build it for the machine that boots".to_string(),
            )
        } else {
            return true;
        };
        self.add("wrong-elf", severity, Some(start.path), what, remedy);
        false
    }
}

/// Kernel options and the ELF machines they run (`elf_check_arch` of arch/*/include/asm/elf.h; numbers: elf-em.h).
const MACHINES: &[(&str, &[u16])] = &[
    ("X86", &[3, 6, 62]),
    ("ARM64", &[183, 40]),
    ("ARM", &[40]),
    ("RISCV", &[243]),
    ("PPC64", &[21, 20]),
    ("S390", &[22]),
];

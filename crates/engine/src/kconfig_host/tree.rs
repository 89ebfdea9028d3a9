//! The environment in which a kernel's Makefile runs `conf`, made without make: top-level Makefile, scripts/subarch.include,
//! scripts/Makefile.clang, scripts/kconfig/Makefile and the parts of arch/*/Makefile that choose tools, of 5.10 to 6.12.
//!
//! Only what Kconfig files and the scripts they run can see is made: names of tools, of the architecture, of folders, versions.

use std::path::Path;

use base::{Cancel, Context, Error, Result};

use super::{Environment, LiveHost};

/// A tree and how it is to be configured.
#[derive(Clone, Debug)]
pub struct Tree<'a> {
    /// The kernel's source.
    pub source: &'a Path,
    /// The folder that `conf` runs in: the object tree, or the source itself.
    pub objects: &'a Path,
    /// The architecture, as ARCH= of make takes it.
    pub arch: &'a str,
    /// What make would be told on its command line: CROSS_COMPILE=, LLVM=, CC=.
    pub variables: &'a [(String, String)],
}

/// ARCH values that are no folder of arch/, and the folder they mean (top-level Makefile, "Additional ARCH settings").
const SOURCE_ARCH: &[(&str, &str)] = &[
    ("i386", "x86"),
    ("x86_64", "x86"),
    ("sparc32", "sparc"),
    ("sparc64", "sparc"),
    ("parisc64", "parisc"),
    ("sh64", "sh"),
];

/// Tools whose name begins with CROSS_COMPILE, and the name LLVM= gives them.
const CROSS_TOOLS: &[(&str, &str, &str)] = &[
    ("CC", "gcc", "clang"),
    ("LD", "ld", "ld.lld"),
    ("AR", "ar", "llvm-ar"),
    ("NM", "nm", "llvm-nm"),
    ("OBJCOPY", "objcopy", "llvm-objcopy"),
    ("OBJDUMP", "objdump", "llvm-objdump"),
    ("READELF", "readelf", "llvm-readelf"),
    ("STRIP", "strip", "llvm-strip"),
];

/// Tools of the host. A value in the environment does not change them; only make's command line does.
const TOOLS: &[(&str, &str)] = &[
    ("RUSTC", "rustc"),
    ("RUSTDOC", "rustdoc"),
    ("RUSTFMT", "rustfmt"),
    ("HOSTRUSTC", "rustc"),
    ("BINDGEN", "bindgen"),
    ("PAHOLE", "pahole"),
    ("LEX", "flex"),
    ("YACC", "bison"),
    ("AWK", "awk"),
    ("PERL", "perl"),
    ("PYTHON3", "python3"),
    ("CHECK", "sparse"),
    ("CONFIG_SHELL", "sh"),
    ("HOSTPKG_CONFIG", "pkg-config"),
    ("LC_COLLATE", "C"),
    ("LC_NUMERIC", "C"),
    ("RUSTC_BOOTSTRAP", "1"),
];

/// CLANG_TARGET_FLAGS_* of scripts/Makefile.clang.
const CLANG_TARGETS: &[(&str, &str)] = &[
    ("arm", "arm-linux-gnueabi"),
    ("arm64", "aarch64-linux-gnu"),
    ("hexagon", "hexagon-linux-musl"),
    ("loongarch", "loongarch64-linux-gnusf"),
    ("m68k", "m68k-linux-gnu"),
    ("mips", "mipsel-linux-gnu"),
    ("powerpc", "powerpc64le-linux-gnu"),
    ("riscv", "riscv64-linux-gnu"),
    ("s390", "s390x-linux-gnu"),
    ("x86", "x86_64-linux-gnu"),
];

/// How a command is answered: what it prints.
pub type Ask<'a> = &'a mut dyn FnMut(&str) -> Result<String>;

/// The environment of `tree`, from `base` (the caller's). `ask` runs the few commands whose output make puts into it, in `base`:
/// `gcc --version`, `rustc --version`.
///
/// # Errors
/// No Makefile, no such architecture in this tree ([`base::Kind::Input`]).
pub fn tree_environment(tree: &Tree, base: &Environment, ask: Ask) -> Result<Environment> {
    let path = tree.source.join("Makefile");
    let makefile = std::fs::read_to_string(&path)
        .context(|| format!("{} is no kernel source", tree.source.display()))?;
    let given = |name: &str| tree.variables.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    let mut maker = Maker { tree, base, made: base.clone(), given: &given, makefile: &makefile };
    maker.versions()?;
    maker.architecture()?;
    maker.folders()?;
    maker.tools(ask)?;
    maker.defaults();
    let mut made = maker.made;
    for name in ["LC_ALL", "GREP_OPTIONS", "CONFIG_"] {
        made.remove(name);
    }
    for (name, value) in tree.variables {
        made.set(name, value);
    }
    Ok(made)
}

/// A host for `tree`, as make would run `conf` there, from the environment `base`; answers are kept in `cache`.
///
/// # Errors
/// As [`tree_environment`]; the folder for objects is not there.
pub fn tree_host(tree: &Tree, base: Environment, cache: Option<&Path>, cancel: &Cancel) -> Result<LiveHost> {
    let host = |environment| {
        let host = LiveHost::new(tree.objects, environment, cancel)
            .context(|| format!("cannot work in {}", tree.objects.display()))?;
        Ok(match cache {
            Some(cache) => host.with_cache(cache),
            None => host,
        })
    };
    // What make itself asks, it asks in the caller's environment.
    let outside: LiveHost = host(base)?;
    let mut ask = |command: &str| {
        let output = outside.answer(command).context(|| format!("cannot run {command}"))?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    };
    host(tree_environment(tree, outside.variables(), &mut ask)?)
}

struct Maker<'a> {
    tree: &'a Tree<'a>,
    base: &'a Environment,
    made: Environment,
    given: &'a dyn Fn(&str) -> Option<String>,
    makefile: &'a str,
}

impl Maker<'_> {
    /// VERSION to EXTRAVERSION, and KERNELVERSION made of them.
    fn versions(&mut self) -> Result<()> {
        let [version, patchlevel, sublevel, extra] =
            ["VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION"].map(|name| assigned(self.makefile, name));
        if version.is_empty() {
            let place = self.tree.source.join("Makefile");
            return Err(Error::input(format!(
                "{} sets no VERSION: this is no kernel source",
                place.display()
            )));
        }
        let mut whole = version.clone();
        if !patchlevel.is_empty() {
            whole.push_str(&format!(".{patchlevel}"));
            if !sublevel.is_empty() {
                whole.push_str(&format!(".{sublevel}"));
            }
        }
        whole.push_str(&extra);
        self.made.set("VERSION", version);
        self.made.set("PATCHLEVEL", patchlevel);
        self.made.set("SUBLEVEL", sublevel);
        self.made.set("KERNELVERSION", whole);
        // "Read KERNELRELEASE from include/config/kernel.release (if it exists)"
        let release = std::fs::read_to_string(self.tree.objects.join("include/config/kernel.release"));
        self.made.set("KERNELRELEASE", release.unwrap_or_default().trim_end().to_string());
        Ok(())
    }

    fn architecture(&mut self) -> Result<()> {
        let arch = self.tree.arch;
        let source = source_arch(arch);
        if source.is_empty() || source.contains('/') || !self.tree.source.join("arch").join(source).is_dir() {
            let mut known: Vec<String> = std::fs::read_dir(self.tree.source.join("arch"))
                .map(|all| all.flatten().filter(|it| it.path().is_dir()).map(name_of).collect())
                .unwrap_or_default();
            known.sort();
            return Err(Error::input(format!("this tree has no architecture {arch:?}"))
                .note(format!("it has {}, and x86_64, i386, sparc64, parisc64", known.join(", "))));
        }
        self.made.set("ARCH", arch);
        self.made.set("SRCARCH", source);
        if source == "um" {
            // arch/um/Makefile exports these two alone.
            let under = (self.given)("SUBARCH").unwrap_or_else(host_arch);
            let header = if matches!(under.as_str(), "x86" | "x86_64" | "i386") { "x86" } else { &under };
            self.made.set("HEADER_ARCH", header);
            self.made.set("SUBARCH", &under);
        }
        Ok(())
    }

    /// srctree is "." in the source itself, ".." right below it, else absolute.
    fn folders(&mut self) -> Result<()> {
        let absolute = |path: &Path| path.canonicalize().context(|| format!("no folder {}", path.display()));
        let (source, objects) = (absolute(self.tree.source)?, absolute(self.tree.objects)?);
        let inside = source == objects;
        let srctree = match objects.parent() {
            _ if inside => ".".into(),
            Some(above) if above == source => "..".into(),
            _ => source.clone().into_os_string(),
        };
        self.made.set("VPATH", if inside { "".into() } else { srctree.clone() });
        self.made.set("building_out_of_srctree", if inside { "" } else { "1" });
        self.made.set("srctree", srctree);
        self.made.set("objtree", ".");
        if self.makefile.contains("export abs_srctree abs_objtree") {
            self.made.set("abs_srctree", source);
            self.made.set("abs_objtree", objects);
        }
        Ok(())
    }

    fn is_cross(&self) -> bool {
        // Debian's trees do not define cross_compiling; upstream's top-level Makefile does.
        self.makefile.contains("cross_compiling := 1") && source_arch(self.tree.arch) != host_arch()
    }

    fn tools(&mut self, ask: Ask) -> Result<()> {
        let prefix = match (self.given)("CROSS_COMPILE").or_else(|| self.base.filled("CROSS_COMPILE")) {
            Some(prefix) => prefix,
            None => self.found_prefix().unwrap_or_default(),
        };
        let llvm = (self.given)("LLVM").or_else(|| self.base.filled("LLVM")).filter(|it| !it.is_empty());
        // LLVM=/folder/ is a prefix, LLVM=-15 a suffix, anything else only says yes.
        let (before, after) = match llvm.as_deref() {
            Some(folder) if folder.ends_with('/') => (folder, ""),
            Some(version) if version.starts_with('-') => ("", version),
            _ => ("", ""),
        };
        for (name, gnu, clang) in CROSS_TOOLS {
            let tool = match llvm {
                Some(_) => format!("{before}{clang}{after}"),
                None => format!("{prefix}{gnu}"),
            };
            self.made.set(*name, (self.given)(name).unwrap_or(tool));
        }
        let host = |gnu: &str, clang: &str| match llvm {
            Some(_) => format!("{before}{clang}{after}"),
            None => gnu.to_string(),
        };
        self.made.set("HOSTCC", (self.given)("HOSTCC").unwrap_or(host("gcc", "clang")));
        self.made.set("HOSTCXX", (self.given)("HOSTCXX").unwrap_or(host("g++", "clang++")));
        for (name, tool) in TOOLS {
            self.made.set(*name, *tool);
        }
        self.made.set("CROSS_COMPILE", &prefix);
        let compiler = self.made.text("CC").unwrap_or_default();
        self.versions_of_tools(&compiler, ask)?;
        match source_arch(self.tree.arch) {
            _ if (self.given)("NM").is_some() => Ok(()),
            "powerpc" => self.synthetic_symbols(ask),
            // arch/alpha/Makefile, arch/ia64/Makefile: `NM := $(NM) -B`.
            "alpha" | "ia64" => {
                let nm = self.made.text("NM").unwrap_or_default();
                self.made.set("NM", format!("{nm} -B"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// CC_VERSION_TEXT, CLANG_FLAGS and, since 6.12, RUSTC_VERSION_TEXT.
    fn versions_of_tools(&mut self, compiler: &str, ask: Ask) -> Result<()> {
        let text = ask(&format!("LC_ALL=C {compiler} --version 2>/dev/null | head -n 1"))?;
        let text = text.trim_end_matches('\n').replace('\n', " ").replace('#', "");
        if text.contains("clang") {
            let flags = self.clang_flags();
            self.made.set("CLANG_FLAGS", flags);
        }
        self.made.set("CC_VERSION_TEXT", text);
        if self.makefile.contains("RUSTC_VERSION_TEXT") {
            let rustc = (self.given)("RUSTC").unwrap_or_else(|| "rustc".to_string());
            let text = ask(&format!("{rustc} --version 2>/dev/null"))?;
            self.made
                .set("RUSTC_VERSION_TEXT", text.trim_end_matches('\n').replace('\n', " ").replace('#', ""));
        }
        Ok(())
    }

    /// arch/powerpc/Makefile: `NM := $(NM) --synthetic` where nm knows that word.
    fn synthetic_symbols(&mut self, ask: Ask) -> Result<()> {
        let nm = self.made.text("NM").unwrap_or_default();
        let text = ask(&format!(
            "if {nm} --help 2>&1 | grep -- '--synthetic' > /dev/null; then echo y; else echo n; fi"
        ))?;
        if text.trim() == "y" {
            self.made.set("NM", format!("{nm} --synthetic"));
        }
        Ok(())
    }

    fn clang_flags(&self) -> String {
        let source = source_arch(self.tree.arch);
        let host = host_arch();
        let key = if source == "um" { host.as_str() } else { source };
        let clang =
            std::fs::read_to_string(self.tree.source.join("scripts/Makefile.clang")).unwrap_or_default();
        let prefix = self.made.filled("CROSS_COMPILE").filter(|_| clang.contains("CROSS_COMPILE:%-=%"));
        let target = match &prefix {
            // Until 6.2 the prefix of the other tools was the target.
            Some(prefix) => prefix.trim_end_matches('-').rsplit('/').next().unwrap_or_default(),
            None => CLANG_TARGETS.iter().find(|(name, _)| *name == key).map_or("", |(_, target)| target),
        };
        let integrated =
            (self.given)("LLVM_IAS").or_else(|| self.base.text("LLVM_IAS")).is_none_or(|it| it != "0");
        let assembler = if integrated { "-fintegrated-as" } else { "-fno-integrated-as" };
        let clang =
            std::fs::read_to_string(self.tree.source.join("scripts/Makefile.clang")).unwrap_or_default();
        let strict = clang
            .lines()
            .filter_map(|line| line.strip_prefix("CLANG_FLAGS\t+= "))
            .filter(|flag| flag.starts_with("-Werror="));
        let mut flags = vec![format!("--target={target}"), assembler.to_string()];
        flags.extend(strict.map(str::to_string));
        flags.join(" ")
    }

    /// What cc-cross-prefix finds for the architectures that look for their compiler themselves.
    fn found_prefix(&self) -> Option<String> {
        let source = source_arch(self.tree.arch);
        let looks = match source {
            "arc" => true,
            "loongarch" => host_arch() != self.tree.arch,
            _ => self.is_cross(),
        };
        let candidates = cross_prefixes(self.tree.arch, source);
        candidates.into_iter().filter(|_| looks).find(|prefix| {
            let path = self.base.get("PATH").unwrap_or_default();
            std::env::split_paths(path).any(|folder| folder.join(format!("{prefix}gcc")).is_file())
        })
    }

    /// scripts/kconfig/Makefile.
    fn defaults(&mut self) {
        let defconfig = self.default_configuration();
        let arch = source_arch(self.tree.arch);
        let mut places = Vec::new();
        if !self.is_cross() {
            let release = rustix::system::uname().release().to_string_lossy().into_owned();
            places.push(format!("/lib/modules/{release}/.config"));
            places.push("/etc/kernel-config".to_string());
            places.push(format!("/boot/config-{release}"));
        }
        places.push(format!("arch/{arch}/configs/{defconfig}"));
        self.made.set("KCONFIG_DEFCONFIG_LIST", places.join(" "));
        self.made.set("KBUILD_DEFCONFIG", defconfig);
        if self.base.get("KCONFIG_CONFIG").is_none() {
            self.made.set("KCONFIG_CONFIG", ".config");
        }
    }

    /// KBUILD_DEFCONFIG of arch/*/Makefile: the one assigned there for this ARCH, else "defconfig".
    fn default_configuration(&self) -> String {
        let arch = self.tree.arch;
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let source = source_arch(arch);
        let text = std::fs::read_to_string(self.tree.source.join("arch").join(source).join("Makefile"));
        let text = text.unwrap_or_default();
        match source {
            "x86" if arch == "x86" => {
                if machine == "x86_64" { "x86_64_defconfig" } else { "i386_defconfig" }.to_string()
            }
            "x86" => format!("{arch}_defconfig"),
            "um" => match host_arch().as_str() {
                "x86" if machine == "x86_64" => "x86_64_defconfig".to_string(),
                "x86" => "i386_defconfig".to_string(),
                other => format!("{other}_defconfig"),
            },
            "sparc" => if arch == "sparc64" { "sparc64_defconfig" } else { "sparc32_defconfig" }.to_string(),
            "parisc" => {
                let bits = if arch == "parisc64" { 64 } else { 32 };
                format!("generic-{bits}bit_defconfig")
            }
            "powerpc" if machine.starts_with("ppc") => format!("{machine}_defconfig"),
            "powerpc" => {
                let usual = if text.contains("ppc64le)_defconfig") { "ppc64le" } else { "ppc64" };
                format!("{usual}_defconfig")
            }
            _ => {
                let named = assigned(&text, "KBUILD_DEFCONFIG");
                if named.is_empty() { "defconfig".to_string() } else { named }
            }
        }
    }
}

fn name_of(entry: std::fs::DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

/// The first plain assignment to `name` in a makefile.
fn assigned(makefile: &str, name: &str) -> String {
    makefile
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .find_map(|rest| {
            let rest = rest.trim_start();
            rest.strip_prefix(":=").or_else(|| rest.strip_prefix('=')).map(|value| value.trim().to_string())
        })
        .unwrap_or_default()
}

/// The folder of arch/ that ARCH means.
pub(super) fn source_arch(arch: &str) -> &str {
    SOURCE_ARCH.iter().find(|(name, _)| *name == arch).map_or(arch, |(_, source)| source)
}

/// SUBARCH: the architecture of the host (scripts/subarch.include).
fn host_arch() -> String {
    subarch(&rustix::system::uname().machine().to_string_lossy())
}

/// `uname -m` as scripts/subarch.include translates it.
fn subarch(machine: &str) -> String {
    let starts = [
        ("ppc", "powerpc"),
        ("mips", "mips"),
        ("aarch64", "arm64"),
        ("riscv", "riscv"),
        ("loongarch", "loongarch"),
        ("sh2", "sh"),
        ("sh3", "sh"),
        ("sh4", "sh"),
    ];
    let letters = machine.as_bytes();
    match machine {
        "x86_64" => "x86".to_string(),
        "sun4u" => "sparc64".to_string(),
        "s390x" => "s390".to_string(),
        "sa110" => "arm".to_string(),
        "arm64" => "arm64".to_string(),
        _ if letters.len() == 4 && letters[0] == b'i' && machine.ends_with("86") => "x86".to_string(),
        _ if machine.starts_with("arm") => "arm".to_string(),
        _ => match starts.iter().find(|(start, _)| machine.starts_with(start)) {
            Some((_, arch)) => arch.to_string(),
            None => machine.to_string(),
        },
    }
}

/// The prefixes that an architecture's Makefile tries, in order; without a configuration both CONFIG_32BIT and CONFIG_64BIT are unset.
fn cross_prefixes(arch: &str, source: &str) -> Vec<String> {
    let product = |machines: &[&str], systems: &[&str]| -> Vec<String> {
        machines
            .iter()
            .flat_map(|machine| systems.iter().map(move |system| format!("{machine}-{system}-")))
            .collect()
    };
    const PARISC: [&str; 4] = ["linux", "linux-gnu", "unknown-linux-gnu", "suse-linux"];
    match source {
        "arc" => ["arc-linux-", "arceb-linux-", "arc-linux-gnu-"].map(str::to_string).into(),
        "m68k" => ["m68k-linux-gnu-", "m68k-linux-", "m68k-unknown-linux-gnu-"].map(str::to_string).into(),
        "sh" => product(&["sh"], &["linux", "linux-gnu", "unknown-linux-gnu"]),
        "parisc" if arch == "parisc64" => product(&["hppa64"], &PARISC),
        "parisc" => product(&["hppa", "hppa2.0", "hppa1.1"], &PARISC),
        "powerpc" => {
            product(&["powerpc", "powerpc64", "powerpc64le"], &["linux", "linux-gnu", "unknown-linux-gnu"])
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scripts/subarch.include itself is the referee of the table: the same sed script, in the words of that file.
    #[test]
    fn hosts_are_named_as_the_kernel_names_them() {
        for (machine, arch) in [
            ("x86_64", "x86"),
            ("i686", "x86"),
            ("aarch64", "arm64"),
            ("aarch64_be", "arm64"),
            ("armv7l", "arm"),
            ("arm64", "arm64"),
            ("ppc64le", "powerpc"),
            ("s390x", "s390"),
            ("s390", "s390"),
            ("riscv64", "riscv"),
            ("mips64", "mips"),
            ("sh4a", "sh"),
            ("sun4u", "sparc64"),
            ("sparc64", "sparc64"),
            ("loongarch64", "loongarch"),
            ("m68k", "m68k"),
        ] {
            assert_eq!(subarch(machine), arch, "{machine}");
        }
    }

    #[test]
    fn architectures_have_their_folders() {
        for (arch, source) in [
            ("x86_64", "x86"),
            ("i386", "x86"),
            ("sparc64", "sparc"),
            ("parisc64", "parisc"),
            ("arm64", "arm64"),
        ] {
            assert_eq!(source_arch(arch), source);
        }
    }

    fn tree_with(makefile: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("arch/x86")).unwrap();
        std::fs::create_dir_all(folder.path().join("objects")).unwrap();
        std::fs::write(folder.path().join("Makefile"), makefile).unwrap();
        folder
    }

    fn environment(source: &Path, objects: &Path, arch: &str, set: &[(&str, &str)]) -> Result<Environment> {
        let variables: Vec<(String, String)> =
            set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let tree = Tree { source, objects, arch, variables: &variables };
        let base = [("PATH", "/none"), ("LC_ALL", "de_DE"), ("RUSTC", "mine")].into_iter().collect();
        tree_environment(&tree, &base, &mut |command| Ok(format!("answer to #{}\n", command.len())))
    }

    const MAKEFILE: &str = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION = -rc4\nNAME = x\n";

    #[test]
    fn a_trees_environment() {
        let folder = tree_with(MAKEFILE);
        let made = environment(folder.path(), folder.path(), "x86_64", &[]).unwrap();
        let is = |name: &str, value: &str| assert_eq!(made.text(name).as_deref(), Some(value), "{name}");
        is("KERNELVERSION", "6.12.3-rc4");
        is("SRCARCH", "x86");
        is("srctree", ".");
        is("CC", "gcc");
        is("RUSTC", "rustc");
        is("CC_VERSION_TEXT", "answer to 46");
        assert_eq!((made.get("LC_ALL"), made.get("RUSTC_VERSION_TEXT")), (None, None));
    }

    #[test]
    fn object_trees_and_tools_of_ones_own() {
        let folder = tree_with(MAKEFILE);
        let objects = folder.path().join("objects");
        let made =
            environment(folder.path(), &objects, "x86_64", &[("CROSS_COMPILE", "a-"), ("NM", "b")]).unwrap();
        assert_eq!(made.text("srctree").as_deref(), Some(".."));
        assert_eq!(made.text("LD").as_deref(), Some("a-ld"));
        assert_eq!(made.text("NM").as_deref(), Some("b"));
        let made = environment(folder.path(), &objects, "x86_64", &[("LLVM", "-15")]).unwrap();
        assert_eq!(made.text("CC").as_deref(), Some("clang-15"));
        let elsewhere = tempfile::tempdir().unwrap();
        let made = environment(folder.path(), elsewhere.path(), "i386", &[]).unwrap();
        assert_eq!(made.text("srctree"), folder.path().canonicalize().unwrap().to_str().map(str::to_string));
    }

    #[test]
    fn wrong_trees_and_architectures_are_refused() {
        let folder = tree_with(MAKEFILE);
        let error = environment(folder.path(), folder.path(), "x68", &[]).unwrap_err();
        assert!(error.kind() == base::Kind::Input && error.to_string().contains("x86"), "{error}");
        assert!(environment(folder.path(), folder.path(), "../x86", &[]).is_err());
        let empty = tree_with("all:\n");
        assert_eq!(
            environment(empty.path(), empty.path(), "x86", &[]).unwrap_err().kind(),
            base::Kind::Input
        );
        assert!(environment(Path::new("/none"), Path::new("/"), "x86", &[]).is_err());
    }
}

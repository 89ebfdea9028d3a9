//! A sketch of an object tree: every file at its place with its time, but in place of objects, archives and images a line.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use base::{Context, Result};

/// What stands in place of an object. The shell knows it, too.
const STANDS: &str = "allno: stands for what a build makes\n";
const SHELL: &str = include_str!("shell.sh");
/// Larger files are images of kernels, except in the folders of headers and of programs of the build.
const LARGEST: u64 = 256 << 10;
/// Whose files are used by the build itself.
const TOOLS: &[&str] = &["include", "scripts", "tools"];

/// Writes make's shell beside the sketch.
pub fn shell(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("shell");
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&path)
        .and_then(|mut file| file.write_all(SHELL.as_bytes()))
        .context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Makes the sketch of `objects` at `sketch`, which is not there yet.
///
/// # Errors
/// A file cannot be read or written.
pub fn make(objects: &Path, sketch: &Path) -> Result<()> {
    let objects = objects.canonicalize().context(|| format!("cannot find {}", objects.display()))?;
    let copy = Copy { from: &objects, to: sketch };
    copy.folder(Path::new("")).context(|| format!("cannot make a sketch of {}", objects.display()))
}

struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
}

impl Copy<'_> {
    fn folder(&self, below: &Path) -> std::io::Result<()> {
        let from = self.from.join(below);
        fs::create_dir(self.to.join(below))?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folder(&name)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, self.to.join(&name))?;
            } else if kind.is_file() {
                self.file(&name, &entry.metadata()?)?;
            }
        }
        // make compares the times of folders, too, where one is a target.
        let times = fs::FileTimes::new().set_modified(fs::metadata(&from)?.modified()?);
        File::open(self.to.join(below))?.set_times(times)
    }

    fn file(&self, name: &Path, metadata: &fs::Metadata) -> std::io::Result<()> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        if self.is_made(name, metadata.len()) {
            fs::write(&to, STANDS)?;
        } else {
            fs::copy(&from, &to)?;
            if name.extension().is_some_and(|it| it == "cmd" || it == "d") {
                self.move_paths(&to)?;
            }
        }
        File::options()
            .write(true)
            .open(&to)?
            .set_times(fs::FileTimes::new().set_modified(metadata.modified()?))
    }

    /// Whether a build makes it from sources and for the kernel.
    fn is_made(&self, name: &Path, length: u64) -> bool {
        let top = name.components().next().map(|it| it.as_os_str());
        if top.is_some_and(|top| TOOLS.iter().any(|it| top == *it)) && name.components().count() > 1 {
            return false;
        }
        match name.extension().and_then(OsStr::to_str) {
            Some("o") => !self.is_for_the_build(name),
            Some("a") => true,
            _ => length > LARGEST,
        }
    }

    /// An object of a program of the build: it was compiled, but not for the kernel.
    fn is_for_the_build(&self, name: &Path) -> bool {
        let mut record = std::ffi::OsString::from(".");
        record.push(name.file_name().unwrap_or_default());
        record.push(".cmd");
        let record = fs::read(self.from.join(name).with_file_name(record)).unwrap_or_default();
        let record = String::from_utf8_lossy(&record);
        record.contains("source_") && !record.contains("-D__KERNEL__")
    }

    /// The build of tools/ writes absolute paths; in the sketch they mean the sketch.
    fn move_paths(&self, path: &Path) -> std::io::Result<()> {
        let bytes = fs::read(path)?;
        let (text, from) = (String::from_utf8_lossy(&bytes), self.from.to_string_lossy());
        match text.contains(&*from) {
            true => fs::write(path, text.replace(&*from, &self.to.to_string_lossy())),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use base::Cancel;
    use base::process::Program;

    use super::*;

    /// Recipes in kbuild's forms; no program in them that compiles or links exists.
    const MAKEFILE: &str = r#"
all: image header.h
header.h: FORCE
	@echo really > $@
tool.o: header.h
	@set -e; echo '  HOSTCC  tool.o'; touch ran; scripts/basic/fixdep .tool.o.d tool.o 'no-gcc' > .tool.o.cmd || :
a.o: header.h
	@set -e; echo '  CC      a.o - due to: header.h'; no-gcc -c -o a.o a.c; scripts/basic/fixdep .a.o.d a.o 'no-gcc -c -o a.o a.c' > .a.o.cmd; rm -f .a.o.d
lib.a: a.o
	@set -e; echo '  AR      lib.a'; no-ar lib.a a.o; printf '%s\n' 'savedcmd_lib.a := no-ar' > .lib.a.cmd
offsets.h: lib.a
	@set -e; echo '  GEN     offsets.h'; trap 'rm -f offsets.h; trap - HUP; kill -s HUP $$$$' HUP; no-nm lib.a > offsets.h
image: offsets.h tool.o
	@set -e; echo '  IMAGE   image'; no-link offsets.h; printf '%s\n' 'savedcmd_image := no-link' > .image.cmd
FORCE:
"#;

    #[test]
    fn what_compiles_is_written_down_and_what_prepares_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        fs::create_dir_all(objects.join("include")).unwrap();
        let file = |name: &str, text: &str| fs::write(objects.join(name), text).unwrap();
        file("Makefile", MAKEFILE);
        file("a.o", "an object");
        file(".a.o.cmd", "savedcmd_a.o := no-gcc -D__KERNEL__\nsource_a.o := a.c\n");
        file("tool.o", "an object of the build");
        file(
            ".tool.o.cmd",
            &format!("cmd_tool.o := no-gcc\nsource_tool.o := {}/tool.c\n", objects.display()),
        );
        file("include/large.h", &"x".repeat(LARGEST as usize + 1));
        file("vmlinux", &"x".repeat(LARGEST as usize + 1));
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(objects.join("a.o")).unwrap().set_modified(old).unwrap();

        let sketch = folder.path().join("tree");
        make(&objects, &sketch).unwrap();
        let text = |name: &str| fs::read_to_string(sketch.join(name)).unwrap();
        assert_eq!(text("a.o"), STANDS);
        assert_eq!(text("vmlinux"), STANDS);
        assert_eq!(text("tool.o"), "an object of the build");
        assert!(text(".tool.o.cmd").contains(&*sketch.to_string_lossy()));
        assert!(text("include/large.h").len() > STANDS.len());
        assert_eq!(sketch.join("a.o").metadata().unwrap().modified().unwrap(), old);

        let mut word = std::ffi::OsString::from("SHELL=");
        word.push(shell(folder.path()).unwrap());
        let program = Program::new("make").directory(&sketch).arg(word);
        let said = program.capture(Duration::from_secs(60), &Cancel::new()).unwrap();
        assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
        let lines =
            ["  CC      a.o - due to: header.h", "  AR      lib.a", "  GEN     offsets.h", "  IMAGE   image"];
        for line in lines {
            assert!(said.stdout.lines().any(|it| it == line), "{line}: {}", said.stdout);
        }
        assert_eq!(text("header.h"), "really\n");
        assert!(sketch.join("ran").exists(), "a program of the build is really made");
        for name in ["a.o", "lib.a", "offsets.h", "image"] {
            assert_eq!(text(name), STANDS, "{name}");
        }
        assert!(text(".a.o.allno").contains("'no-gcc -c -o a.o a.c'"));
        assert_eq!(fs::read_to_string(objects.join("a.o")).unwrap(), "an object");
    }
}

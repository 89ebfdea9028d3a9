//! The whole node built twice from nothing: in different folders, at different times, by different users with other
//! variables, without a compiler cache, given the same sources and the same public key. cmp(1) is the judge.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::process::{Program, ending};
use base::{Cancel, Context, Error, Result, Size};
use serde_json::Value;
use tempfile::TempDir;

use crate::rival::{built, text};

const BUILD_LIMIT: Duration = Duration::from_secs(4 * 3600);
const LIMIT: Duration = Duration::from_secs(600);
/// Debian's "nobody", who has no home and owns nothing.
const NOBODY: &str = "65534";
/// What is compared: the fields of `allno build --json` that name files.
const FILES: [&str; 4] = ["kernel", "vmlinux", "config", "initramfs"];

/// One of the two builds: all in which it is unlike the other.
struct Room {
    /// Holds everything of this build.
    folder: TempDir,
    /// Of the spec, below `folder`.
    spec: &'static str,
    /// Below `folder`.
    store: &'static str,
    umask: &'static str,
    variables: Vec<(&'static str, String)>,
    /// Whether it runs as [`NOBODY`].
    other_user: bool,
}

pub fn measure(allno: &Path) -> Result<()> {
    let usual = tempfile::tempdir().context(|| "no scratch folder".into())?;
    let known = built(allno, usual.path())?;
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("not root: both builds run as the same user, with other variables and another umask\n");
    }
    let first = Room {
        folder: scratch("one")?,
        spec: "spec",
        store: "store",
        umask: "022",
        variables: vec![("TZ", "UTC".into()), ("LANG", "C".into())],
        other_user: false,
    };
    let folder = scratch("the-other-of-the-two-builds-in-a-folder-with-a-longer-name")?;
    let home = folder.path().join("home").display().to_string();
    let second = Room {
        folder,
        spec: "further/down/there/is/another/node",
        store: "and/elsewhere/its/cache",
        umask: "077",
        variables: vec![
            ("TZ", "Pacific/Kiritimati".into()),
            ("LANG", "C.UTF-8".into()),
            ("HOME", home),
            ("USER", "somebody-else".into()),
            ("LOGNAME", "somebody-else".into()),
        ],
        other_user: is_root,
    };
    let results = [first.build(allno, &known)?, second.build(allno, &known)?];
    let differing = compare(&results)?;
    if differing.is_empty() {
        return Ok(());
    }
    // Whoever looks for the reason needs the files.
    let kept = [first.folder.keep(), second.folder.keep()];
    Err(Error::failed(format!("the two builds differ: {}", differing.join(", "))).note(format!(
        "both are kept: {} and {}",
        kept[0].display(),
        kept[1].display()
    )))
}

fn scratch(name: &str) -> Result<TempDir> {
    tempfile::Builder::new().prefix(name).tempdir().context(|| "no scratch folder".into())
}

impl Room {
    /// Builds the node here, from nothing but the sources; what `allno build --json` said.
    fn build(&self, allno: &Path, known: &Value) -> Result<Value> {
        self.furnish(allno, known)?;
        let began = Instant::now();
        let program = self.program();
        let captured = program.capture(BUILD_LIMIT, &Cancel::new())?;
        if !captured.status.success() {
            return Err(Error::failed(format!("allno build {}", ending(captured.status)))
                .note(format!("command: {}", program.shell_line()))
                .output(captured.stderr.lines().map(String::from)));
        }
        println!("built in {:.0} s: {}\n", began.elapsed().as_secs_f64(), program.shell_line());
        serde_json::from_str(&captured.stdout)
            .map_err(|cause| Error::failed("not JSON").note(cause.to_string()))
    }

    /// A spec with the person's public key, the lock file, the sources, and the command, as another user may not reach the
    /// folder that cargo built in.
    fn furnish(&self, allno: &Path, known: &Value) -> Result<()> {
        let (spec, store) = (self.path(self.spec), self.path(self.store));
        for folder in [&spec, &store, &self.path("home")] {
            std::fs::create_dir_all(folder).context(|| format!("cannot make {}", folder.display()))?;
        }
        let lock = PathBuf::from(text(known, "lock")?);
        let copied = std::fs::write(spec.join("allno.toml"), spec_text(known)?)
            .and_then(|()| std::fs::copy(lock, spec.join("allno.lock")))
            .and_then(|_| std::fs::copy(allno, self.path("allno")));
        copied.context(|| format!("cannot write into {}", self.folder.path().display()))?;
        // Copies and not links: another user is to own them, and may not share a file system with the usual store.
        run(Program::new("cp").arg("-r").arg(usual_store(known)?.join("sources")).arg(&store))?;
        if self.other_user {
            run(Program::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(self.folder.path()))?;
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(self.folder.path(), private).context(|| "cannot close a folder".into())
    }

    fn program(&self) -> Program {
        let mut program =
            Program::new("sh").args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", self.umask]);
        if self.other_user {
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            program = program.args(["setpriv", &user, &group, "--clear-groups"]);
        }
        for (name, value) in &self.variables {
            program = program.env(*name, value);
        }
        program
            .env("CCACHE_DISABLE", "1")
            .arg(self.path("allno"))
            .args(["build", "--json", "--offline", "--store"])
            .arg(self.path(self.store))
            .directory(self.path(self.spec))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }
}

/// The built-in node, opened by the key pair of the person who runs this.
fn spec_text(known: &Value) -> Result<String> {
    let public = PathBuf::from(format!("{}.pub", text(known, "ssh_key")?));
    let key = std::fs::read_to_string(&public).context(|| format!("cannot read {}", public.display()))?;
    // A JSON string is a TOML string.
    Ok(format!("[accounts]\nauthorized_keys = [{}]\n", Value::from(key.trim())))
}

/// The store that `allno build --json` named its files in: `STORE/artifacts/kernel-…/tree/config`.
fn usual_store(known: &Value) -> Result<PathBuf> {
    let config = PathBuf::from(text(known, "config")?);
    let store = config.ancestors().nth(4).map(Path::to_path_buf);
    store.ok_or_else(|| Error::failed("the store is not where it was"))
}

/// Prints the table; the names of the files that differ.
fn compare(results: &[Value; 2]) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for field in FILES {
        let files = [PathBuf::from(text(&results[0], field)?), PathBuf::from(text(&results[1], field)?)];
        let verdict = cmp(&files)?;
        let name = files[0].file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = |file: &Path| file.metadata().map_or(0, |metadata| metadata.len());
        let size_shown = Size(size(&files[0])).to_string();
        println!("{name:<10} {size_shown:>8}  {}  {verdict}", sha256(&files[0])?);
        if verdict != IDENTICAL {
            let size_shown = Size(size(&files[1])).to_string();
            println!("{:<10} {size_shown:>8}  {}", "", sha256(&files[1])?);
            differing.push(name);
        }
    }
    Ok(differing)
}

const IDENTICAL: &str = "identical";

/// What cmp(1) says: 0 identical, 1 different, more: trouble (POSIX, "cmp", Exit status).
fn cmp(files: &[PathBuf; 2]) -> Result<String> {
    let captured = Program::new("cmp").args(files).env("LC_ALL", "C").capture(LIMIT, &Cancel::new())?;
    let said = format!("{}{}", captured.stdout, captured.stderr);
    match captured.status.code() {
        Some(0) => Ok(IDENTICAL.to_string()),
        Some(1) => Ok(differs(&said)),
        _ => Err(Error::failed("cmp failed").output(said.lines().map(String::from))),
    }
}

/// GNU cmp writes "A B differ: byte 5, line 1", POSIX asks for "char 5", and a file that is the other's beginning gives
/// "EOF on A after byte 7".
fn differs(said: &str) -> String {
    let mut words = said.split([' ', ',']).skip_while(|word| !["byte", "char"].contains(word)).skip(1);
    let byte = words.next().and_then(|word| word.trim().parse::<u64>().ok());
    match (byte, said.contains("EOF on")) {
        (Some(byte), true) => format!("differs after byte {byte}, where one of them ends"),
        (Some(byte), false) => format!("differs at byte {byte}"),
        (None, _) => format!("differs: {}", said.trim()),
    }
}

fn sha256(file: &Path) -> Result<String> {
    let printed = run(Program::new("sha256sum").arg(file))?;
    Ok(printed.split_whitespace().next().unwrap_or_default().to_string())
}

fn run(program: Program) -> Result<String> {
    let captured = program.capture(LIMIT, &Cancel::new())?;
    match captured.status.success() {
        true => Ok(captured.stdout),
        false => Err(Error::failed(format!("{} failed", program.shell_line()))
            .output(captured.stderr.lines().map(String::from))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmp_is_the_judge() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, same) = (file("byte one", "1234"), file("same", "1234"));
        assert_eq!(cmp(&[one.clone(), same]).unwrap(), IDENTICAL);
        assert_eq!(cmp(&[file("a", "1234"), file("b", "1254")]).unwrap(), "differs at byte 3");
        let longer = cmp(&[file("c", "1234"), file("d", "12345")]).unwrap();
        assert_eq!(longer, "differs after byte 4, where one of them ends");
        assert!(cmp(&[one, folder.path().join("no-such")]).is_err());
    }
}

//! The device tables of a distribution's kernel: what each of its modules says it drives.
//!
//! modules.alias itself is made by depmod when the package is installed; what it is made of, the section `.modinfo` of each module
//! and the file modules.builtin.modinfo, is in the package.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Cancel, Context, Error, Kind, Result, Unit};
use ktree::alias::AliasTable;
use ktree::modinfo;
use serde::Serialize;
use store::{FetchOptions, Fetched, Inputs, Origin, Source};

use crate::session::Session;

/// Part of the key: raised when this file makes another table of the same package.
const WAY: &str = "2";
/// The table's name in the store.
const TABLE: &str = "modules";
/// The configuration's.
const CONFIG: &str = "config";
/// Larger than any module of Debian's kernel unpacked (the largest, amdgpu, has 20 MB).
const LARGEST_MODULE: u64 = 256 << 20;

/// Which kernel it was, and what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Distribution {
    /// The package: "linux-image-6.12.117+deb12-amd64".
    pub package: String,
    /// The kernel's version: "6.12.117".
    pub version: String,
    /// How many modules it has.
    pub modules: usize,
    /// How many claims they make.
    pub claims: usize,
    /// Who claims what.
    #[serde(skip)]
    pub table: AliasTable,
    /// The configuration it was built with, as the package has it (/boot/config-VERSION).
    #[serde(skip)]
    pub config: String,
}

/// The tables of Debian's kernel of a series ("6.12") if there is one, else of the one it installs by default.
///
/// # Errors
/// No apt, no such package, nobody who gives it: every origin that was tried.
pub fn distribution(session: &Session, series: &str) -> Result<Distribution> {
    let (package, fetched) = package(session, series)?;
    let inputs = Inputs::new().with("way of reading", WAY).with("package", fetched.sha256.to_string());
    let artifact = session.realize("device-tables", &inputs, |out| make(session, &package, &fetched, out))?;
    let path = artifact.path.join(TABLE);
    let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    let table = AliasTable::parse(&text);
    let config = fs::read_to_string(artifact.path.join(CONFIG)).unwrap_or_default();
    let (modules, claims) = (table.drivers().count(), table.len());
    Ok(Distribution { package, version: fetched.version.clone(), modules, claims, table, config })
}

/// The kernel's package, fetched, and its name. All of Debian's modules are in the one for PCs; those for clouds leave most out.
fn package(session: &Session, series: &str) -> Result<(String, Fetched)> {
    let behind = |meta: String| Origin::DebianBehind { meta };
    let source = Source {
        name: "linux-image".to_string(),
        version: String::new(),
        file: "linux-image.deb".to_string(),
        sha256: None,
        origins: [format!("linux-image-{series}-amd64"), "linux-image-amd64".to_string()].map(behind).into(),
    };
    let options = FetchOptions {
        offline: session.offline,
        project: Some(session.project.clone()),
        ..FetchOptions::default()
    };
    let fetched = session.store.fetch(&source, &options, &session.events, &session.cancel);
    let fetched = fetched.map_err(|error| match error.kind() {
        Kind::Cancelled => error,
        kind => no_kernel(kind, &error, &source.origins),
    })?;
    // deb-name: NAME_VERSION_ARCHITECTURE.deb
    let file = fetched.path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.split('_').next().unwrap_or_default().to_string();
    Ok((name, fetched))
}

fn no_kernel(kind: Kind, error: &Error, origins: &[Origin]) -> Error {
    let message = "no kernel of a distribution is within reach, whose modules say what they drive";
    let mut all = Error::new(kind, message).note(error.message());
    for note in error.notes() {
        all = all.note(note.clone());
    }
    let wanted: Vec<String> = origins.iter().map(Origin::to_string).collect();
    all.note(format!("wanted: {}", wanted.join(", ")))
        .hint("allno config hardware … --from tree    (what the kernel's own sources say)")
}

/// Unpacks the package and reads its modules.
fn make(session: &Session, package: &str, fetched: &Fetched, out: &Path) -> Result<()> {
    let task = session.events.task("reading", format!("the modules of {package}"));
    let unpacked = out.join("package");
    store::unpack_package(&fetched.path, &unpacked, &session.cancel)?;
    let folder = modules_folder(&unpacked, package)?;
    let mut modules = Vec::new();
    list(&folder.join("kernel"), &mut modules)?;
    modules.sort();
    let total = modules.len() as u64;
    let read = read_all(&folder, &modules, &session.cancel, &|done| {
        task.progress_on(done, Some(base::Total::Exactly(total)), Unit::Steps, "");
    })?;
    let mut table = AliasTable::new();
    for (driver, patterns) in &read {
        table.driver(driver);
        patterns.iter().for_each(|pattern| table.claim(driver, pattern));
    }
    built_in(&folder, &mut table);
    fs::write(out.join(CONFIG), configuration(&unpacked))
        .context(|| "cannot keep the configuration".to_string())?;
    fs::remove_dir_all(&unpacked).context(|| format!("cannot remove {}", unpacked.display()))?;
    fs::write(out.join(TABLE), table.text()).context(|| "cannot keep the table".to_string())?;
    task.end("read", format!("{} modules, {} claims of devices  {package}", modules.len(), table.len()));
    Ok(())
}

/// boot/config-VERSION
fn configuration(unpacked: &Path) -> String {
    let entries = fs::read_dir(unpacked.join("boot")).into_iter().flatten().flatten();
    let mut paths = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("config-"));
    paths.next().and_then(|entry| fs::read_to_string(entry.path()).ok()).unwrap_or_default()
}

/// lib/modules/VERSION
fn modules_folder(unpacked: &Path, package: &str) -> Result<PathBuf> {
    for top in ["lib/modules", "usr/lib/modules"] {
        let Ok(entries) = fs::read_dir(unpacked.join(top)) else { continue };
        let mut folders =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.join("kernel").is_dir());
        if let Some(folder) = folders.next() {
            return Ok(folder);
        }
    }
    Err(Error::failed(format!("the package {package} holds no modules"))
        .note("expected: lib/modules/VERSION/kernel"))
}

fn list(folder: &Path, modules: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).context(failed)? {
        let entry = entry.context(failed)?;
        let kind = entry.file_type().context(failed)?;
        if kind.is_dir() {
            list(&entry.path(), modules)?;
        } else if kind.is_file() && entry.file_name().to_string_lossy().contains(".ko") {
            modules.push(entry.path());
        }
    }
    Ok(())
}

type Read1 = (String, Vec<String>);

/// Each module's path in the kernel's tree, and its aliases; on all processors, as most of the time goes into unpacking.
fn read_all(
    folder: &Path,
    modules: &[PathBuf],
    cancel: &Cancel,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Read1>> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Read1)>> = Mutex::new(Vec::new());
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(module) = modules.get(number) else { return };
                    let one = cancel.check().and_then(|()| read_one(folder, module));
                    match (one, found.lock(), failed.lock()) {
                        (Ok(one), Ok(mut found), _) => found.push((number, one)),
                        (Err(error), _, Ok(mut failed)) => {
                            *failed = Some(error);
                            next.store(modules.len(), Ordering::Relaxed);
                            return;
                        }
                        _ => return,
                    }
                    progress(number as u64);
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_default() {
        return Err(error);
    }
    let mut found = found.into_inner().map_err(|_| Error::failed("reading the modules panicked"))?;
    found.sort();
    Ok(found.into_iter().map(|(_, one)| one).collect())
}

fn read_one(folder: &Path, module: &Path) -> Result<Read1> {
    let failed = || format!("cannot read {}", module.display());
    let path = module.strip_prefix(folder.join("kernel")).unwrap_or(module).to_string_lossy().into_owned();
    let file = fs::File::open(module).context(failed)?;
    let mut object = Vec::new();
    let driver = if let Some(driver) = path.strip_suffix(".ko") {
        file.take(LARGEST_MODULE).read_to_end(&mut object).context(failed)?;
        driver
    } else if let Some(driver) = path.strip_suffix(".ko.xz") {
        liblzma::read::XzDecoder::new(file).take(LARGEST_MODULE).read_to_end(&mut object).context(failed)?;
        driver
    } else {
        return Err(
            Error::failed(format!("cannot read {path}")).note("expected: a module as it is, or packed by xz")
        );
    };
    let strings = modinfo::strings(&object).into_iter();
    let aliases = strings.filter(|(name, _)| name == "alias").map(|(_, value)| value).collect();
    Ok((driver.to_string(), aliases))
}

/// The drivers that are no modules: modules.builtin names them, modules.builtin.modinfo has the aliases that are written out in
/// their sources. What their device tables say is in neither (until 6.18); the sources have to be asked.
fn built_in(folder: &Path, table: &mut AliasTable) {
    let listed = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    for line in listed.lines() {
        if let Some(driver) = line.strip_prefix("kernel/").and_then(|line| line.strip_suffix(".ko")) {
            table.driver(driver);
        }
    }
    let content = fs::read(folder.join("modules.builtin.modinfo")).unwrap_or_default();
    let fields = modinfo::fields(&content);
    let file = |module: &str| {
        let wanted = format!("{module}.file");
        fields.iter().find(|(name, _)| *name == wanted).map(|(_, path)| path.clone())
    };
    for (name, pattern) in &fields {
        if let Some(driver) = name.strip_suffix(".alias").and_then(file) {
            table.claim(&driver, pattern);
        }
    }
}

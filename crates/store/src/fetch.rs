//! Fetching a source into the store: from the first origin that gives the right bytes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use base::{Cancel, Context, Error, Events, Kind, Result, Size, Task};

use crate::apt::{self, Apt, Mirror};
use crate::hash::Sha256;
use crate::http::{Partial, Request, Trouble, download};
use crate::inputs::Inputs;
use crate::locks::{Lock, Mode};
use crate::root::{Store, check_name};
use crate::source::{FetchOptions, Fetched, Origin, Source};
use crate::tree;

const KIND: &str = "source";
/// Tries of one address: a transfer that broke off gets one more.
const TRIES: usize = 2;

/// One address to ask, made of an origin.
#[derive(Debug)]
struct Address {
    /// What a person and the lock file read.
    label: String,
    url: String,
    proxy: Option<String>,
    file: String,
    version: String,
    sha256: Option<Sha256>,
    length: Option<u64>,
}

/// What the origins said, to be told when none gave the file.
#[derive(Debug, Default)]
struct Attempts {
    said: Vec<String>,
    /// Whether any of them answered at all.
    reached: bool,
}

impl Store {
    /// The source's file: from the store, else from the first of its origins that gives it. A download that
    /// breaks off is gone on with, now or by the next run; the hash is checked before the file gets its name.
    ///
    /// # Errors
    /// No origin gave it: every origin with what it said, [`Kind::Host`] when none could even be reached. Offline and
    /// not in the store: [`Kind::Host`]. Disk full: [`Kind::Host`].
    pub fn fetch(
        &self,
        source: &Source,
        options: &FetchOptions,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Fetched> {
        check_name(&source.name)?;
        check_name(&source.file)?;
        let mut fetched = self.fetch_quietly(source, options, events, cancel)?;
        if fetched.version.is_empty() {
            fetched.version.clone_from(&source.version);
        }
        if let Some(project) = &options.project {
            self.refer(project, KIND, &source.name, &fetched.sha256.to_string(), "")?;
        }
        Ok(fetched)
    }

    fn fetch_quietly(
        &self,
        source: &Source,
        options: &FetchOptions,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Fetched> {
        if let Some(sha256) = source.sha256
            && let Some(held) = self.held_source(sha256, &source.name, events, cancel)?
        {
            return Ok(held);
        }
        let mut attempts = Attempts::default();
        for origin in &source.origins {
            let machine = Apt::of_machine();
            let found = self.try_origin(source, origin, &machine, options, &mut attempts, events, cancel)?;
            if let Some(fetched) = found {
                return Ok(fetched);
            }
            // Lists as old as the machine know nothing of a package's last months, or name a version that is gone.
            if !origin.is_listed() {
                continue;
            }
            let Some(lists) = self.package_lists(options.offline, events, cancel)? else { continue };
            attempts.said.push("the same, with new package lists:".to_string());
            let found = self.try_origin(source, origin, &lists, options, &mut attempts, events, cancel)?;
            if let Some(fetched) = found {
                return Ok(fetched);
            }
        }
        Err(if options.offline { missing_offline(source) } else { attempts.failure(source) })
    }

    /// Lists of the machine's packages, kept in the store: as they are now; offline as they are there, if they are.
    fn package_lists(&self, offline: bool, events: &Events, cancel: &Cancel) -> Result<Option<Apt>> {
        const NAME: &str = "apt-lists";
        let folder = self.caches().join(NAME);
        if offline {
            return Ok(folder.exists().then(|| Apt::with_lists(&folder)));
        }
        let lock = self.lock_path("cache", NAME);
        let _lock = Lock::take(&lock, Mode::Exclusive, "fetching package lists", events, cancel)?;
        let lists = Apt::with_lists(&folder);
        if !lists.are_new() {
            let task = events.task("fetching", "package lists");
            lists.update(cancel)?;
            task.end("fetched", "package lists: this machine's do not have it");
        }
        Ok(Some(lists))
    }

    /// The file from the first address of the origin that gives it, if one does.
    #[expect(clippy::too_many_arguments, reason = "what fetching takes, and what came of it so far")]
    fn try_origin(
        &self,
        source: &Source,
        origin: &Origin,
        apt: &Apt,
        options: &FetchOptions,
        attempts: &mut Attempts,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Option<Fetched>> {
        let addresses = match addresses(source, origin, apt, options, cancel) {
            Ok(addresses) => addresses,
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                attempts.said.push(format!("{origin}: {error}"));
                return Ok(None);
            }
        };
        for address in addresses {
            // A package's hash is known only now; the same file may be here already.
            if let Some(sha256) = address.sha256
                && let Some(held) = self.held_source(sha256, &source.name, events, cancel)?
            {
                return Ok(Some(held));
            }
            if options.offline {
                if let Some(held) = self.held_by_label(&address, &source.name, events, cancel)? {
                    return Ok(Some(held));
                }
                continue;
            }
            let what = format!("{} {}", source.name, address.version);
            let task = events.task("fetching", &what);
            match self.fetch_from(&address, source, options, &task, events, cancel) {
                Ok(fetched) => {
                    task.end("fetched", format!("{what}  {}", Size(fetched.length)));
                    return Ok(Some(fetched));
                }
                Err(Trouble::Ours(error)) => {
                    return Err(error.note(format!("while fetching {what}")));
                }
                Err(trouble) => {
                    let wrong = matches!(trouble, Trouble::WrongHash(_));
                    let said = format!("{what}: {}", attempts.note(&address, options, trouble));
                    if wrong { events.warn(said) } else { events.detail(said) }
                }
            }
        }
        Ok(None)
    }

    /// Downloads one address into the store.
    fn fetch_from(
        &self,
        address: &Address,
        source: &Source,
        options: &FetchOptions,
        task: &Task,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Fetched, Trouble> {
        // By the label and not the URL, so that one mirror can go on with what another began.
        let id = Sha256::of(address.label.as_bytes()).short(20);
        let doing = format!("fetching {} {}", source.name, address.version);
        let lock = Lock::take(&self.lock_path("partial", &id), Mode::Exclusive, &doing, events, cancel)?;
        // Another run may have fetched it while we waited.
        if let Some(sha256) = address.sha256
            && let Some(held) = self.held_source(sha256, &source.name, events, cancel)?
        {
            return Ok(held);
        }
        let folder = self.root().join("partial").join(id);
        let sha256 = transfer(address, &folder, options, task, cancel)?;
        let partial = Partial::at(folder.clone())?;
        self.keep(address, &partial, sha256)?;
        partial.discard()?;
        drop(lock);
        let held = self.held_source(sha256, &source.name, events, cancel)?;
        let mut fetched = held.ok_or_else(|| {
            Error::failed(format!("{} was removed from the store as soon as it was fetched", source.name))
        })?;
        fetched.fresh = true;
        Ok(fetched)
    }

    /// Gives a checked download its name in the store.
    fn keep(&self, address: &Address, partial: &Partial, sha256: Sha256) -> Result<()> {
        let entry = sha256.to_string();
        let folder = self.sources().join(&entry);
        let spot = self.scratch().path();
        let file = spot.0.join(&address.file);
        let about = Inputs::new().with("origin", &address.label).with("version", &address.version);
        let failed = || format!("cannot keep {} in the store", address.file);
        fs::create_dir(&spot.0).context(failed)?;
        fs::write(spot.0.join("about"), about.text()).context(failed)?;
        fs::rename(partial.data(), &file).context(failed)?;
        fs::set_permissions(&file, Permissions::from_mode(0o444)).context(failed)?;
        if folder.exists() && self.read_source(sha256).is_none() {
            self.scratch().discard(&folder)?;
        }
        match fs::rename(&spot.0, &folder) {
            // Another run fetched the same content from elsewhere.
            Err(_) if self.read_source(sha256).is_some() => Ok(()),
            other => other.context(failed),
        }
    }

    /// The file of a stored source and what is known about it.
    pub(crate) fn read_source(&self, sha256: Sha256) -> Option<(PathBuf, Inputs)> {
        let folder = self.sources().join(sha256.to_string());
        let about = Inputs::parse(&fs::read_to_string(folder.join("about")).ok()?).ok()?;
        let names = tree::names(&folder).ok()?;
        let file = names.into_iter().find(|name| name != "about")?;
        Some((folder.join(file), about))
    }

    /// A stored source, held against gc.
    fn held_source(
        &self,
        sha256: Sha256,
        name: &str,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Option<Fetched>> {
        if self.read_source(sha256).is_none() {
            return Ok(None);
        }
        let path = self.lock_path(KIND, &sha256.to_string());
        let lock = Lock::take(&path, Mode::Shared, &format!("using {name}"), events, cancel)?;
        let Some((path, about)) = self.read_source(sha256) else { return Ok(None) };
        let length = fs::metadata(&path).context(|| format!("cannot read {}", path.display()))?.len();
        Ok(Some(Fetched {
            path,
            sha256,
            origin: about.get("origin").unwrap_or_default().to_string(),
            version: about.get("version").unwrap_or_default().to_string(),
            length,
            fresh: false,
            _use: Arc::new(lock),
        }))
    }

    /// A stored source that came from this origin once, for when nothing says its hash.
    fn held_by_label(
        &self,
        address: &Address,
        name: &str,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Option<Fetched>> {
        if address.sha256.is_some() {
            return Ok(None);
        }
        for entry in tree::names(&self.sources())? {
            let Some(sha256) = entry.to_str().and_then(|entry| entry.parse().ok()) else { continue };
            let label =
                self.read_source(sha256).and_then(|(_, about)| about.get("origin").map(str::to_string));
            if label.as_deref() == Some(address.label.as_str()) {
                return self.held_source(sha256, name, events, cancel);
            }
        }
        Ok(None)
    }
}

/// Downloads until the bytes are there and right; nothing is kept of wrong ones.
fn transfer(
    address: &Address,
    folder: &std::path::Path,
    options: &FetchOptions,
    task: &Task,
    cancel: &Cancel,
) -> Result<Sha256, Trouble> {
    let request = Request {
        url: &address.url,
        https_only: address.sha256.is_none() && options.mirror.is_none(),
        proxy: address.proxy.as_deref(),
        length: address.length,
        checked: address.sha256.is_some(),
        limits: options.limits,
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let partial = Partial::at(folder.to_path_buf())?;
        let resumed = match download(&request, &partial, task, cancel) {
            Ok(resumed) => resumed,
            Err(Trouble::Broken(_)) if tries < TRIES => continue,
            Err(trouble) => {
                // An empty one is of no use to the next run, and one on a full disk is in the way.
                let full = matches!(&trouble, Trouble::Ours(error) if error.kind() == Kind::Host);
                if full || partial.length() == 0 {
                    partial.discard()?;
                }
                return Err(trouble);
            }
        };
        let sha256 = Sha256::of_file(&partial.data()).context(|| "cannot read a download".into())?;
        match address.sha256 {
            Some(wanted) if wanted != sha256 => {
                partial.discard()?;
                // Two halves of two files, perhaps: once more from the beginning.
                if !resumed || tries >= TRIES {
                    return Err(Trouble::WrongHash(format!(
                        "wrong hash: sha256 {sha256} where {wanted} was expected; nothing kept"
                    )));
                }
            }
            _ => return Ok(sha256),
        }
    }
}

/// The addresses an origin stands for.
fn addresses(
    source: &Source,
    origin: &Origin,
    apt: &Apt,
    options: &FetchOptions,
    cancel: &Cancel,
) -> Result<Vec<Address>> {
    let address = |url: String, proxy: Option<String>| Address {
        label: origin.to_string(),
        url,
        proxy,
        file: source.file.clone(),
        version: source.version.clone(),
        sha256: origin.own_hash().or(source.sha256),
        length: None,
    };
    match origin {
        Origin::Url(url) => Ok(vec![address(mirrored(url, options.mirror.as_deref())?, None)]),
        Origin::DebianPath(path) | Origin::DebianFile { path, .. } => {
            let mirrors = match &options.debian_mirrors {
                Some(roots) => roots
                    .iter()
                    .map(|root| Mirror { root: root.clone(), proxy: None, security: false })
                    .collect(),
                None => apt::mirrors(cancel)?,
            };
            if mirrors.is_empty() && !options.offline {
                return Err(Error::host("this machine has no Debian mirror set up (apt-get indextargets)"));
            }
            // Offline nothing is asked for; the one address only says what to look for in the store.
            let roots = if mirrors.is_empty() {
                vec![Mirror { root: "http://offline/".into(), proxy: None, security: false }]
            } else {
                mirrors
            };
            let url = |root: &str| format!("{}/{}", root.trim_end_matches('/'), apt::encode(path));
            Ok(roots.into_iter().map(|mirror| address(url(&mirror.root), mirror.proxy)).collect())
        }
        Origin::DebianPackage { name } => Ok(vec![packaged(apt.package(name, cancel)?)?]),
        Origin::DebianBehind { meta } => {
            let name = apt.behind(meta, cancel)?;
            Ok(vec![packaged(apt.package(&name, cancel)?)?])
        }
    }
}

/// Where apt would get a package from, and what it has to be.
fn packaged((package, mirror): (apt::Package, Mirror)) -> Result<Address> {
    let file = package.pool.rsplit('/').next().unwrap_or_default().to_string();
    check_name(&file)?;
    Ok(Address {
        label: Origin::DebianPath(package.pool).to_string(),
        url: package.url,
        proxy: mirror.proxy,
        file,
        version: package.version,
        sha256: Some(package.sha256),
        length: Some(package.length),
    })
}

/// `https://host/path`, or `MIRROR/host/path` where a mirror plays upstream.
fn mirrored(url: &str, mirror: Option<&str>) -> Result<String> {
    let path = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let path = path.ok_or_else(|| Error::input(format!("{url} is not an http or https address")))?;
    Ok(match mirror {
        Some(mirror) => format!("{}/{path}", mirror.trim_end_matches('/')),
        None => url.to_string(),
    })
}

impl Attempts {
    /// Takes down what an address said; returns it as one line.
    fn note(&mut self, address: &Address, options: &FetchOptions, trouble: Trouble) -> String {
        let what = match trouble {
            Trouble::Unreachable(what) => what,
            Trouble::Refused(what) | Trouble::Broken(what) | Trouble::WrongHash(what) => {
                self.reached = true;
                what
            }
            Trouble::Ours(error) => error.to_string(),
        };
        // A mirror is named in the message, as the person needs to know which one of theirs it was.
        let at = match address.label.strip_prefix("upstream ") {
            Some(url) if url == address.url => String::new(),
            Some(_) if options.mirror.is_none() => String::new(),
            _ => format!(" at {}", address.url),
        };
        let said = format!("{}{at}: {what}", address.label);
        self.said.push(said.clone());
        said
    }

    fn failure(self, source: &Source) -> Error {
        let kind = if self.reached { Kind::Failed } else { Kind::Host };
        let what = format!("cannot fetch {} {}", source.name, source.version);
        let mut error = Error::new(kind, what.trim_end());
        if self.said.is_empty() {
            error = error.note("its recipe names no origin");
        }
        for said in self.said {
            error = error.note(said);
        }
        if self.reached {
            error
        } else {
            error.hint(
                "no origin could be reached: look at this machine's network, proxy (https_proxy) and DNS",
            )
        }
    }
}

fn missing_offline(source: &Source) -> Error {
    let mut error = Error::host(format!(
        "{} {} is not in the store, and offline nothing is fetched",
        source.name, source.version
    ))
    .note(format!("missing: {}", source.file));
    if let Some(sha256) = source.sha256 {
        error = error.note(format!("sha256: {sha256}"));
    }
    error.hint("with a network, once: allno build")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_plays_upstream() {
        assert_eq!(mirrored("https://h.example/a/b", None).unwrap(), "https://h.example/a/b");
        for mirror in ["http://m:1/base", "http://m:1/base/"] {
            assert_eq!(mirrored("https://h.example/a", Some(mirror)).unwrap(), "http://m:1/base/h.example/a");
        }
        assert_eq!(mirrored("ftp://h/a", None).unwrap_err().kind(), Kind::Input);
    }
}

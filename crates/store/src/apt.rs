//! What this machine's own apt knows: where a Debian mirror is, and where a package lies with which hash.
//! apt's signed index is what vouches for a package.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::{self, Program};
use base::{Cancel, Context, Error, Result};

use crate::hash::Sha256;

/// apt only reads its files for these questions.
const LIMIT: Duration = Duration::from_secs(60);
/// Package lists of some 20 MB, of every source apt is set up with.
const UPDATE_LIMIT: Duration = Duration::from_secs(300);
/// How long lists of ours count as new: as long as it takes to ask for the next package, and to try again.
const FRESH: Duration = Duration::from_secs(600);

/// In a folder of lists of ours: when they were brought up to date.
const UPDATED: &str = "allno-updated";

/// A mirror of Debian's archive, from apt's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// The URL that `pool/…` stands below, with a slash at its end.
    pub(crate) root: String,
    /// apt's own proxy for it, if it has one.
    pub(crate) proxy: Option<String>,
    /// Whether it is the security archive.
    pub(crate) security: bool,
}

/// A package as apt's index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Path below the mirror's root, `pool/…`.
    pub(crate) pool: String,
    pub(crate) url: String,
    pub(crate) length: u64,
    pub(crate) sha256: Sha256,
    /// Upstream's part of the package's version.
    pub(crate) version: String,
}

/// The Debian mirrors that apt is set up with, the archive before the security archive; none on a machine
/// without apt.
pub(crate) fn mirrors(cancel: &Cancel) -> Result<Vec<Mirror>> {
    if process::find("apt-get").is_none() {
        return Ok(Vec::new());
    }
    let mut roots = mirrors_in(&index_targets(&[], cancel)?);
    if roots.is_empty() {
        // Before the first `apt-get update` no index is there, and only what the sources' files say is left.
        roots = mirrors_in(&index_targets(&["--no-release-info"], cancel)?);
    }
    let proxies = Proxies::of_apt(cancel)?;
    Ok(roots
        .into_iter()
        .map(|(security, root)| Mirror { proxy: proxies.for_url(&root), root, security })
        .collect())
}

/// apt's own proxy for an address, if it has one.
pub(crate) fn proxy(url: &str, cancel: &Cancel) -> Result<Option<String>> {
    Ok(Proxies::of_apt(cancel)?.for_url(url))
}

/// One line per index that apt is set up with: root, origin, label.
fn index_targets(options: &[&str], cancel: &Cancel) -> Result<String> {
    let format = "$(REPO_URI)\t$(ORIGIN)\t$(LABEL)";
    let program = Program::new("apt-get").arg("indextargets").args(options.iter().copied());
    Ok(program.args(["--format", format]).env("LC_ALL", "C").capture(LIMIT, cancel)?.stdout)
}

/// The roots in what `apt-get indextargets` printed, one line per index: root, origin, label; each with whether it is the
/// security archive's, those last.
fn mirrors_in(printed: &str) -> Vec<(bool, String)> {
    let mut roots: Vec<(bool, String)> = Vec::new();
    for line in printed.lines() {
        let mut fields = line.split('\t').map(str::trim);
        let (Some(root), origin, label) = (fields.next(), fields.next(), fields.next()) else { continue };
        let root = format!("{}/", root.trim_end_matches('/'));
        let last = root.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        // Without a Release file nobody says the origin, and apt leaves the word as it is.
        let debian = match origin.unwrap_or_default() {
            "" | "$(ORIGIN)" => matches!(last, "debian" | "debian-security"),
            origin => origin == "Debian",
        };
        let security = label == Some("Debian-Security") || last == "debian-security";
        let reachable = root.starts_with("http://") || root.starts_with("https://");
        if debian && reachable && !roots.iter().any(|(_, known)| *known == root) {
            roots.push((security, root));
        }
    }
    roots.sort_by_key(|(security, _)| *security);
    roots
}

/// apt's proxies (apt-transport-http(1)), which may be a cache that only apt knows of.
struct Proxies {
    http: Option<String>,
    https: Option<String>,
}

impl Proxies {
    fn of_apt(cancel: &Cancel) -> Result<Proxies> {
        let program = Program::new("apt-config").args([
            "shell",
            "http",
            "Acquire::http::Proxy",
            "https",
            "Acquire::https::Proxy",
        ]);
        let printed = match process::find("apt-config") {
            Some(_) => program.capture(LIMIT, cancel)?.stdout,
            None => String::new(),
        };
        let value = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            let value = line.trim_matches('\'').to_string();
            (!value.is_empty() && value != "DIRECT").then_some(value)
        };
        Ok(Proxies { http: value("http"), https: value("https") })
    }

    fn for_url(&self, url: &str) -> Option<String> {
        if url.starts_with("https:") { self.https.clone() } else { self.http.clone() }
    }
}

/// Which package lists apt looks into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apt {
    /// A folder of ours instead of the machine's own, where only root may bring them up to date.
    lists: Option<PathBuf>,
    /// A configuration read before the machine's (apt.conf(5), APT_CONFIG), for tests.
    config: Option<PathBuf>,
}

impl Apt {
    /// The machine's own lists, as its last `apt-get update` left them.
    pub(crate) fn of_machine() -> Apt {
        Apt::default()
    }

    /// Lists of our own in `folder`, of the same sources; [`Apt::update`] brings them up to date.
    pub(crate) fn with_lists(folder: &Path) -> Apt {
        Apt { lists: Some(folder.to_path_buf()), config: None }
    }

    /// Whether our own lists were brought up to date just now, by this run or another.
    pub(crate) fn are_new(&self) -> bool {
        let marker = self.lists.as_ref().and_then(|folder| folder.join(UPDATED).metadata().ok());
        let age = marker.and_then(|marker| marker.modified().ok()?.elapsed().ok());
        age.is_some_and(|age| age < FRESH)
    }

    /// Makes our own lists, or brings them up to date.
    ///
    /// # Errors
    /// The folder cannot be made; cancelled. Not that a source did not answer: what is not listed is not offered.
    pub(crate) fn update(&self, cancel: &Cancel) -> Result<()> {
        let Some(folder) = &self.lists else { return Ok(()) };
        let cannot = || format!("cannot write {}", folder.display());
        std::fs::create_dir_all(folder.join("partial")).context(cannot)?;
        // No descriptions in other languages; a source that is down must not hold up the others, but is a failure.
        let settings =
            ["Acquire::Languages=none", "Acquire::http::Timeout=20", "APT::Update::Error-Mode=any"];
        let words: Vec<&str> =
            settings.iter().flat_map(|setting| ["-o", *setting]).chain(["update"]).collect();
        match self.program("apt-get", &words).capture(UPDATE_LIMIT, cancel)?.status.success() {
            true => std::fs::write(folder.join(UPDATED), "").context(cannot),
            false => Ok(()),
        }
    }

    /// Where apt would get the package `name` from, and its hash. Asks no network.
    ///
    /// # Errors
    /// No apt here, or apt does not know the package: [`base::Kind::Host`], with what apt said.
    pub(crate) fn package(&self, name: &str, cancel: &Cancel) -> Result<(Package, Mirror)> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+.=~:".contains(&byte);
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(Error::input(format!("{name:?} is not a package's name")));
        }
        if process::find("apt-get").is_none() {
            return Err(Error::host("this machine has no apt"));
        }
        let printed = self.program("apt-get", &["--print-uris", "download", name]).capture(LIMIT, cancel)?;
        let package = printed.stdout.lines().find_map(parse_uri).ok_or_else(|| {
            let said = printed.stderr.lines().filter_map(|line| line.strip_prefix("E: ")).collect::<Vec<_>>();
            let said = if said.is_empty() { "nothing".to_string() } else { said.join("; ") };
            Error::host(format!("apt does not offer the package {name}"))
                .note(format!("apt-get said: {said}"))
                .hint("as root: apt-get update")
        })?;
        let root =
            package.url[..package.url.len() - encoded_pool(&package.url).map_or(0, str::len)].to_string();
        let proxy = Proxies::of_apt(cancel)?.for_url(&root);
        Ok((package, Mirror { root, proxy, security: false }))
    }

    /// The package that a meta-package stands for: the first it depends on. Asks no network.
    ///
    /// # Errors
    /// As [`Apt::package`].
    pub(crate) fn behind(&self, meta: &str, cancel: &Cancel) -> Result<String> {
        if process::find("apt-cache").is_none() {
            return Err(Error::host("this machine has no apt"));
        }
        let printed = self.program("apt-cache", &["depends", "--", meta]).capture(LIMIT, cancel)?.stdout;
        first_dependency(&printed).ok_or_else(|| {
            Error::host(format!("apt does not know the package {meta}")).hint("as root: apt-get update")
        })
    }

    fn program(&self, tool: &str, words: &[&str]) -> Program {
        let mut program = Program::new(tool).env("LC_ALL", "C");
        if let Some(config) = &self.config {
            program = program.env("APT_CONFIG", config);
        }
        if let Some(lists) = &self.lists {
            program = program.args(["-o".into(), format!("Dir::State::lists={}", lists.display())]);
            // apt's index of these lists stands beside them: to make it takes a second. Nobody else may have to read the folder.
            let index = format!("Dir::Cache::pkgcache={}", lists.join("pkgcache.bin").display());
            let alone = [index.as_str(), "Dir::Cache::srcpkgcache=", "APT::Sandbox::User="];
            program = program.args(alone.iter().flat_map(|option| ["-o", *option]));
        }
        program.args(words.iter().copied())
    }
}

/// The first `Depends: NAME` of what `apt-cache depends` printed; a virtual package, in angle brackets, is none.
fn first_dependency(printed: &str) -> Option<String> {
    let names = printed.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(str::trim).find(|name| !name.starts_with('<') && !name.is_empty()).map(str::to_string)
}

/// The part of a URL from `pool/` on.
fn encoded_pool(url: &str) -> Option<&str> {
    url.find("/pool/").map(|at| &url[at + 1..])
}

/// One line of `apt-get --print-uris`: `'URL' FILE LENGTH SHA256:HASH`.
fn parse_uri(line: &str) -> Option<Package> {
    let (url, rest) = line.trim().strip_prefix('\'')?.split_once('\'')?;
    let mut words = rest.split_whitespace().skip(1);
    let length = words.next()?.parse().ok()?;
    let sha256 = words.find_map(|word| word.strip_prefix("SHA256:"))?.parse().ok()?;
    let pool = decode(encoded_pool(url)?)?;
    let file = pool.rsplit('/').next()?;
    let version = upstream_version(file.split('_').nth(1)?).to_string();
    Some(Package { version, pool, url: url.to_string(), length, sha256 })
}

/// `6.12.117-1~deb12u1` is 6.12.117: without the epoch and Debian's revision (deb-version(7)).
fn upstream_version(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// Undoes %XX.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Writes what a URL's path cannot hold as %XX (RFC 3986, 3.3).
pub(crate) fn encode(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            url.push(byte as char);
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_debians_own_archive_first() {
        let printed = "http://b.example/debian-security/\tDebian\tDebian-Security\n\
                       http://a.example/debian\tDebian\tDebian\n\
                       http://a.example/debian/\tDebian\tDebian\n\
                       https://other.example/thing/\tOther\tOther\n\
                       https://fresh.example/debian/\t$(ORIGIN)\t$(LABEL)\n\
                       https://fresh.example/else/\t\t\n\
                       file:/media/debian/\tDebian\tDebian\n\n";
        assert_eq!(
            mirrors_in(printed),
            [
                (false, "http://a.example/debian/".to_string()),
                (false, "https://fresh.example/debian/".to_string()),
                (true, "http://b.example/debian-security/".to_string())
            ]
        );
    }

    #[test]
    fn a_print_uris_line_gives_pool_path_length_hash_and_version() {
        let hash = "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703";
        let line = format!(
            "'http://m.example/debian-security/pool/updates/main/l/linux-6.12/linux-source-6.12_6.12.117-1%7edeb12u1_all.deb' \
             linux-source-6.12_6.12.117-1%7edeb12u1_all.deb 153476148 SHA256:{hash}"
        );
        let package = parse_uri(&line).unwrap();
        assert_eq!(package.version, "6.12.117");
        assert_eq!(
            package.pool,
            "pool/updates/main/l/linux-6.12/linux-source-6.12_6.12.117-1~deb12u1_all.deb"
        );
        assert_eq!((package.length, package.sha256), (153_476_148, hash.parse().unwrap()));
        for wrong in
            ["", "Reading lists", "'http://m/pool/a_1_all.deb' a 5 MD5Sum:00", "'http://m/x' a 5 SHA256:0"]
        {
            assert_eq!(parse_uri(wrong), None, "{wrong}");
        }
    }

    /// A machine whose lists are as old as its installation does not know of a package that has come since.
    #[test]
    fn lists_of_our_own_know_what_the_machines_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let hash = "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703";
        let package = format!(
            "Package: linux-source-0.9\nVersion: 0.9.1-1\nArchitecture: all\nMaintainer: nobody\nSize: 5\n\
             Filename: pool/main/l/linux-source-0.9_0.9.1-1_all.deb\nSHA256: {hash}\nDescription: none\n"
        );
        for name in ["archive", "old/partial", "new"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("archive/Packages"), package).unwrap();
        let source = format!("deb [trusted=yes] copy:{} ./\n", at("archive").display());
        std::fs::write(at("sources"), source).unwrap();
        let config = format!(
            "Dir::State::lists \"{}\";\nDir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"/dev/null\";\n",
            at("old").display(),
            at("sources").display()
        );
        std::fs::write(at("config"), config).unwrap();
        let machine = Apt { config: Some(at("config")), lists: None };
        let cancel = Cancel::new();
        let refused = machine.package("linux-source-0.9", &cancel).unwrap_err();
        assert!(refused.message().contains("does not offer"), "{refused}");
        let ours = Apt { lists: Some(at("new")), ..machine };
        assert!(!ours.are_new());
        ours.update(&cancel).unwrap();
        assert!(ours.are_new());
        let (found, _) = ours.package("linux-source-0.9", &cancel).unwrap();
        assert_eq!((found.version.as_str(), found.length), ("0.9.1", 5));
        assert_eq!(found.sha256, hash.parse().unwrap());
    }

    #[test]
    fn the_package_behind_a_meta_package_is_its_first_dependency() {
        let printed = "linux-image-amd64\n  Depends: <virtual>\n  Depends: linux-image-6.1.0-56-amd64\n  Depends: other\n";
        assert_eq!(first_dependency(printed).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(first_dependency("linux-image-amd64\n"), None);
    }

    #[test]
    fn versions_lose_epoch_and_revision() {
        for (version, upstream) in [("1:9.2p1-2+deb12u3", "9.2p1"), ("6.1.170-1", "6.1.170"), ("5", "5")] {
            assert_eq!(upstream_version(version), upstream);
        }
    }

    #[test]
    fn paths_survive_a_url() {
        let path = "pool/a b/c~1+2%.deb";
        assert_eq!(encode(path), "pool/a%20b/c~1+2%25.deb");
        assert_eq!(decode(&encode(path)).unwrap(), path);
        assert_eq!(decode("a%2"), None);
        assert_eq!(decode("a%é"), None);
    }
}

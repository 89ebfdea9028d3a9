//! The machine itself: distribution, processors, memory, room on the disks.

use std::path::{Path, PathBuf};

use base::{Error, Size};
use serde::{Deserialize, Serialize};

use super::tools::Packages;

/// The distributions whose package names we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian and its children: apt-get.
    Debian,
    /// Fedora and its kin: dnf.
    Fedora,
    /// Arch and its kin: pacman.
    Arch,
    /// Another.
    Other,
}

/// Which distribution this is (os-release(5)).
#[derive(Clone, Debug, Serialize)]
pub struct Distribution {
    /// As it calls itself: "Debian GNU/Linux 12 (bookworm)".
    pub name: String,
    /// Whose package names are used here.
    pub family: Family,
}

impl Distribution {
    /// The distribution of this host.
    pub fn here() -> Distribution {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Distribution::parse(&text)
    }

    fn parse(os_release: &str) -> Distribution {
        let value = |key: &str| {
            os_release
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_string())
        };
        let likes = format!("{} {}", value("ID").unwrap_or_default(), value("ID_LIKE").unwrap_or_default());
        let family = likes
            .split_whitespace()
            .find_map(|word| match word {
                "debian" | "ubuntu" => Some(Family::Debian),
                "fedora" | "rhel" | "centos" => Some(Family::Fedora),
                "arch" | "archlinux" => Some(Family::Arch),
                _ => None,
            })
            .unwrap_or(Family::Other);
        let name = value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or_else(|| "unknown".to_string());
        Distribution { name, family }
    }

    /// What this distribution calls the package.
    pub(super) fn package<'a>(&self, packages: &'a Packages) -> Option<&'a str> {
        match self.family {
            Family::Debian => packages.debian.as_deref(),
            Family::Fedora => packages.fedora.as_deref(),
            Family::Arch => packages.arch.as_deref(),
            Family::Other => None,
        }
    }

    /// The line to type that installs the packages: as it is for root, else through sudo where that is here, else through
    /// su(1), which asks for root's password (as a login, else /sbin is not in PATH and dpkg fails). `None` for no packages or an unknown distribution.
    pub(super) fn install_line(&self, packages: &[String]) -> Option<String> {
        let line = self.root_line(packages)?;
        Some(match (rustix::process::geteuid().is_root(), base::process::find("sudo")) {
            (true, _) => line,
            (false, Some(_)) => format!("sudo {line}"),
            (false, None) => format!("su - -c '{line}'"),
        })
    }

    /// The line that root types.
    fn root_line(&self, packages: &[String]) -> Option<String> {
        let install = match self.family {
            Family::Debian => "apt-get install --no-install-recommends",
            Family::Fedora => "dnf install --setopt=install_weak_deps=False",
            Family::Arch => "pacman -S --needed",
            Family::Other => return None,
        };
        (!packages.is_empty()).then(|| format!("{install} {}", packages.join(" ")))
    }
}

/// Processors and memory of this host.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The architecture allno was built for, which is this host's.
    pub architecture: String,
    /// Processors this process may use.
    pub processors: usize,
    /// Bytes of memory (MemTotal of proc_meminfo(5)).
    pub memory: Option<u64>,
    /// Bytes of memory that can be had without swapping (MemAvailable).
    pub memory_available: Option<u64>,
}

impl Machine {
    /// This host.
    pub fn here() -> Machine {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Machine {
            architecture: std::env::consts::ARCH.to_string(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kibibytes(&meminfo, "MemTotal"),
            memory_available: kibibytes(&meminfo, "MemAvailable"),
        }
    }
}

/// The bytes of one line of /proc/meminfo, which counts in units of 1024 and calls them kB.
fn kibibytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Room that is needed, as data/host-tools.toml says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Space {
    pub place: Place,
    pub bytes: u64,
    pub why: String,
}

/// Where room is needed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    Store,
    Project,
}

/// The room in one place where allno writes.
#[derive(Clone, Debug, Serialize)]
pub struct Room {
    /// What is kept there.
    pub why: String,
    /// The folder; it need not exist yet.
    pub path: PathBuf,
    /// Free bytes for this user; `None` when the file system does not say.
    pub free: Option<u64>,
    /// Bytes that a first build needs.
    pub needed: u64,
    /// Whether they are there. A store that holds something already needs less, so it counts what it holds.
    pub enough: bool,
}

impl Room {
    /// What to say when there is not enough.
    pub(super) fn error(&self) -> Error {
        let free = self.free.map_or_else(|| "an unknown amount".to_string(), |free| Size(free).to_string());
        Error::host(format!("too little room at {}", self.path.display()))
            .note(format!("{free} free; {} needed for {}", Size(self.needed), self.why))
            .hint("allno gc --dry-run")
            .hint("export ALLNO_STORE=/a/folder/with/space")
    }
}

pub(super) fn rooms(spaces: &[Space], store: &Path, project: &Path) -> Vec<Room> {
    spaces
        .iter()
        .map(|space| {
            let path = match space.place {
                Place::Store => store,
                Place::Project => project,
            };
            let free = free_bytes(path);
            // A store in use holds part of what a first build makes; builds on top of it need far less.
            let used = matches!(space.place, Place::Store) && store.join("artifacts").is_dir();
            let needed = if used { space.bytes / 4 } else { space.bytes };
            Room {
                why: space.why.clone(),
                path: path.to_path_buf(),
                free,
                needed,
                enough: free.is_none_or(|free| free >= needed),
            }
        })
        .collect()
}

/// Bytes that an ordinary user may still write below `path`, or below its nearest parent that exists.
fn free_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find(|folder| folder.exists())?;
    let statistics = rustix::fs::statvfs(existing).ok()?;
    statistics.f_bavail.checked_mul(statistics.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_from_os_release() {
        for (text, family) in [
            ("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"", Family::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Family::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", Family::Fedora),
            ("ID=arch", Family::Arch),
            ("ID=nixos", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(Distribution::parse(text).family, family, "{text}");
        }
        assert_eq!(Distribution::parse("PRETTY_NAME='X 1'").name, "X 1");
    }

    #[test]
    fn the_line_names_the_packages_of_the_family() {
        let line = |id: &str, packages: &[&str]| {
            let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
            Distribution::parse(&format!("ID={id}")).root_line(&packages)
        };
        let debian = line("debian", &["flex", "bc"]);
        assert_eq!(debian.as_deref(), Some("apt-get install --no-install-recommends flex bc"));
        assert_eq!(line("arch", &["flex"]).as_deref(), Some("pacman -S --needed flex"));
        assert_eq!(line("debian", &[]), None);
        assert_eq!(line("nixos", &["flex"]), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let meminfo = "MemTotal:        8044416 kB\nMemFree: 1 kB\nMemAvailable:    99 kB\n";
        assert_eq!(kibibytes(meminfo, "MemTotal"), Some(8_044_416 * 1024));
        assert_eq!(kibibytes(meminfo, "MemAvailable"), Some(99 * 1024));
        assert_eq!(kibibytes("MemTotal: x kB", "MemTotal"), None);
        assert_eq!(kibibytes("", "MemTotal"), None);
    }

    #[test]
    fn too_little_room_is_the_hosts_lack() {
        let space = |bytes| [Space { place: Place::Store, bytes, why: "objects".into() }];
        let nowhere = Path::new("/no-such-folder/below");
        let full = &rooms(&space(u64::MAX), nowhere, nowhere)[0];
        assert!(!full.enough && full.error().kind() == base::Kind::Host);
        assert!(rooms(&space(0), nowhere, nowhere)[0].enough);
    }
}

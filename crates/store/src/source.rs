//! Sources: what to fetch, from where, and what came of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::hash::Sha256;
use crate::http::Limits;
use crate::locks::Lock;
use crate::project::Project;

/// Something to fetch: one file that any of several places may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The recipe's name: musl. A plain name.
    pub name: String,
    /// The version, as the recipe or the lock file has it.
    pub version: String,
    /// The file's name: musl-1.2.5.tar.gz.
    pub file: String,
    /// Its hash. It holds for [`Origin::Url`] and [`Origin::DebianPath`]; a package's hash comes from apt's index.
    /// Without one, what an HTTPS URL gives is taken as it is, and the lock file pins it.
    pub sha256: Option<Sha256>,
    /// Where to get it, tried in turn.
    pub origins: Vec<Origin>,
}

/// A place that may have a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An address of upstream's.
    Url(String),
    /// A path below a Debian mirror's root, `pool/…`; tried on each mirror that apt is set up with.
    DebianPath(String),
    /// The same for a file that is another than upstream's (packed anew from the same sources), with its own hash.
    DebianFile {
        /// The path.
        path: String,
        /// The file's hash.
        sha256: Sha256,
    },
    /// A binary package that carries the source (linux-source-6.12): what apt offers of it now.
    DebianPackage {
        /// The package's name.
        name: String,
    },
    /// The package that a meta-package stands for, the first it depends on: linux-image-amd64 is a kernel's name that changes with
    /// every kernel.
    DebianBehind {
        /// The meta-package's name.
        meta: String,
    },
}

impl Origin {
    /// The hash of this origin's file, where it is not the source's.
    pub(crate) fn own_hash(&self) -> Option<Sha256> {
        match self {
            Origin::DebianFile { sha256, .. } => Some(*sha256),
            _ => None,
        }
    }

    /// Whether apt's package lists say where it is.
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self, Origin::DebianPackage { .. } | Origin::DebianBehind { .. })
    }

    /// The origin that a label in a lock file names, see its `Display`. A package is labelled by its path, so
    /// that exactly this file is found again.
    pub fn from_label(label: &str) -> Option<Origin> {
        match label.split_once(' ')? {
            ("upstream", url) => Some(Origin::Url(url.to_string())),
            ("debian", path) if path.starts_with("pool/") || path.starts_with("dists/") => {
                Some(Origin::DebianPath(path.to_string()))
            }
            _ => None,
        }
    }
}

/// The label: `upstream https://…`, `debian pool/…`; no mirror's host.
impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Url(url) => write!(formatter, "upstream {url}"),
            Origin::DebianPath(path) | Origin::DebianFile { path, .. } => write!(formatter, "debian {path}"),
            Origin::DebianPackage { name } => write!(formatter, "debian package {name}"),
            Origin::DebianBehind { meta } => write!(formatter, "debian package behind {meta}"),
        }
    }
}

/// How to fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// Ask no network; only the store.
    pub offline: bool,
    /// A base URL that plays upstream for every [`Origin::Url`]: `https://host/path` is asked for as
    /// `MIRROR/host/path`. For sites without a way out, and for tests.
    pub mirror: Option<String>,
    /// Debian mirrors' roots to use instead of those apt is set up with.
    pub debian_mirrors: Option<Vec<String>>,
    /// The project that uses the source; gc keeps what a project uses.
    pub project: Option<Project>,
    /// Deadlines.
    pub limits: Limits,
}

/// A source in the store. While it (or a clone) lives, gc of another run leaves the file alone.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The file.
    pub path: PathBuf,
    /// Its hash.
    pub sha256: Sha256,
    /// Where it came from, a label without a mirror's host.
    pub origin: String,
    /// Its version; of a package, upstream's part of the package's version.
    pub version: String,
    /// Its length in bytes.
    pub length: u64,
    /// Whether it was downloaded just now.
    pub fresh: bool,
    pub(crate) _use: Arc<Lock>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_their_origin() {
        for origin in [
            Origin::Url("https://a.example/b.tar.gz".into()),
            Origin::DebianPath("pool/main/m/musl/musl_1.2.5.orig.tar.gz".into()),
        ] {
            assert_eq!(Origin::from_label(&origin.to_string()), Some(origin));
        }
        for label in ["", "debian", "debian package linux-source-6.12", "elsewhere x"] {
            assert_eq!(Origin::from_label(label), None);
        }
    }
}

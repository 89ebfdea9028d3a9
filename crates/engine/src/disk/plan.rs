//! What can be decided of a disk before anything is fetched or built.

use std::path::PathBuf;

use base::{Cancel, Error, Result};
use disk::layout::Names;
use disk::{Guid, Layout};
use machine::ImageFormat;
use serde::Deserialize;
use store::Sha256;
use store::release::{ArchiveMirror, archive_mirror, archive_mirrors};
use toml::Spanned;

use crate::data::DISTRIBUTION_FOLDER;
use crate::decide::{Decisions, Overrides, decide};
use crate::spec::SpecFile;

/// The disk's size when the spec names none: twice what the packages take, which leaves room to work in, and no more, as it
/// grows on a larger disk.
const DEFAULT_SIZE: u64 = 1 << 30;
const DEFAULT_DISTRIBUTION: &str = "debian";

/// What the command line says on top of the spec.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--format`
    pub format: Option<ImageFormat>,
    /// `--size`, in bytes.
    pub size: Option<u64>,
    /// `--import`: the image whose root file system is taken.
    pub import: Option<PathBuf>,
    /// `--output`: where the image is copied to.
    pub output: Option<PathBuf>,
    /// `--update`: what the mirror has today, not what allno.lock names.
    pub update: bool,
}

/// `distributions/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The suite when the spec names none.
    pub suite: String,
    /// The components that are used.
    pub components: Vec<String>,
    /// Whether the mirrors that this machine's apt uses are its mirrors.
    pub from_apt: bool,
    /// The packages that make a system that boots, can be reached and grows.
    pub package: Vec<Package>,
}

/// One package of a distribution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What for.
    pub why: String,
}

/// A suite and where it is had from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// "bookworm-updates"
    pub name: String,
    /// Its mirror.
    pub mirror: ArchiveMirror,
}

/// The distribution's side of a disk.
#[derive(Clone, Debug)]
pub struct UserSpacePlan {
    /// The distribution.
    pub distribution: Distribution,
    /// The suite itself first.
    pub suites: Vec<Suite>,
    /// The packages asked for, sorted, each once.
    pub packages: Vec<String>,
    /// The keys that sign.
    pub keyring: Option<PathBuf>,
}

/// The decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is decided as for an initramfs.
    pub decisions: Decisions,
    /// The format.
    pub format: ImageFormat,
    /// The size that was asked for in bytes, or the default.
    pub size: u64,
    /// Whether anybody asked.
    pub size_is_asked: bool,
    /// The user space; none where one is imported.
    pub user_space: Option<UserSpacePlan>,
    /// The names of the disk and its partitions.
    pub names: Names,
    /// The root file system's UUID, and the seed of its hashes.
    pub file_system: (Guid, Guid),
}

/// Decides what can be decided.
///
/// # Errors
/// What the spec asks for and cannot be, pointing at its line.
pub fn plan(spec: &SpecFile, options: &Options, cancel: &Cancel) -> Result<Plan> {
    let decisions = decide(spec, &Overrides::default(), cancel)?;
    let asked = &spec.spec.disk;
    let format = match (options.format, &asked.format) {
        (Some(format), _) => format,
        (None, Some(format)) => {
            format.get_ref().parse().map_err(|error: String| spec.error(format.span(), error))?
        }
        (None, None) => ImageFormat::Raw,
    };
    let size = options.size.or(asked.size.as_ref().map(|size| size.get_ref().0));
    let user_space = match &options.import {
        Some(_) => None,
        None => Some(user_space(spec, cancel)?),
    };
    let identity = match (&options.import, &user_space) {
        (None, Some(plan)) => format!("{} {}", plan.distribution.name, plan.suites[0].name),
        _ => "import".to_string(),
    };
    let name = |role: &str| derived(&identity, &decisions.settings.hostname, role);
    let plan = Plan {
        names: Names { disk: name("disk"), grub: name("GRUB"), esp: name("ESP"), root: name("root") },
        file_system: (name("file system"), name("hash seed")),
        format,
        size: size.unwrap_or(DEFAULT_SIZE),
        size_is_asked: size.is_some(),
        user_space,
        decisions,
    };
    if plan.user_space.is_some() || plan.size_is_asked {
        plan.layout(spec)?;
    }
    Ok(plan)
}

/// A GUID that is the same for the same disk wherever and whenever it is made, as the kernel has the root partition's in it.
fn derived(identity: &str, hostname: &str, role: &str) -> Guid {
    let hash = Sha256::of(format!("allno disk\n{identity}\n{hostname}\n{role}\n").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.bytes()[..16]);
    Guid::of_hash(bytes)
}

impl Plan {
    /// The word that names the root partition on the kernel's command line.
    pub fn root_word(&self) -> String {
        format!("root=PARTUUID={}", self.names.root)
    }

    /// Where everything lies on a disk of the size that was asked for.
    ///
    /// # Errors
    /// It is too small, pointing at the line.
    pub fn layout(&self, spec: &SpecFile) -> Result<Layout> {
        Layout::of_disk(self.size).map_err(|error| {
            let wrong = Error::input(format!("a disk of {} cannot be made", base::Size(self.size)));
            size_error(spec, wrong.note(error.to_string()))
        })
    }
}

/// Points at the spec's size, if it has one.
pub(super) fn size_error(spec: &SpecFile, error: Error) -> Error {
    match &spec.spec.disk.size {
        Some(size) => error.at(spec.place.snippet(size.span())),
        None => error.hint("[disk] size = \"4G\", or --size 4G"),
    }
}

fn user_space(spec: &SpecFile, cancel: &Cancel) -> Result<UserSpacePlan> {
    let asked = &spec.spec.disk;
    let name = asked.distribution.as_ref().map_or(DEFAULT_DISTRIBUTION, |it| it.get_ref().as_str());
    let loaded = DISTRIBUTION_FOLDER.load::<Distribution>(name);
    let (distribution, _) = loaded.map_err(|error| at(spec, asked.distribution.as_ref(), error))?;
    let suite = match &asked.suite {
        Some(suite) => plain(spec, suite, "a suite's name")?,
        None => distribution.suite.clone(),
    };
    let mut packages: Vec<String> = distribution.package.iter().map(|it| it.name.clone()).collect();
    for package in &asked.packages {
        packages.push(plain(spec, package, "a package's name")?);
    }
    packages.sort();
    packages.dedup();
    let keyring = asked.keyring.as_ref().map(|path| spec.existing_file(path)).transpose()?;
    let suites = suites(spec, &distribution, &suite, cancel)?;
    Ok(UserSpacePlan { distribution, suites, packages, keyring })
}

fn suites(spec: &SpecFile, distribution: &Distribution, suite: &str, cancel: &Cancel) -> Result<Vec<Suite>> {
    let asked = &spec.spec.disk;
    if let Some(mirror) = &asked.mirror {
        let mirror =
            archive_mirror(mirror.get_ref(), cancel).map_err(|error| at(spec, Some(mirror), error))?;
        return Ok(vec![Suite { name: suite.to_string(), mirror }]);
    }
    let no_mirror = |why: &str| {
        let error = Error::input(format!("no mirror of {} is known", distribution.name)).note(why);
        let error = error.hint("name one in the spec: [disk] mirror = \"http://HOST/PATH\"");
        at(spec, asked.distribution.as_ref(), error)
    };
    if !distribution.from_apt {
        return Err(no_mirror("what this machine's apt uses is Debian's"));
    }
    let mirrors = archive_mirrors(cancel)?;
    let archive = mirrors.iter().find(|mirror| !mirror.security);
    let archive = archive.ok_or_else(|| no_mirror("this machine's apt names none"))?;
    let of = |suffix: &str, mirror: &ArchiveMirror| Suite {
        name: format!("{suite}{suffix}"),
        mirror: mirror.clone(),
    };
    let mut suites = vec![of("", archive)];
    if asked.updates.unwrap_or(true) {
        suites.push(of("-updates", archive));
        suites.extend(mirrors.iter().find(|mirror| mirror.security).map(|mirror| of("-security", mirror)));
    }
    Ok(suites)
}

/// A word that means nothing to a shell, to apt's lists or to options.
fn plain(spec: &SpecFile, word: &Spanned<String>, what: &str) -> Result<String> {
    let text = word.get_ref();
    let first = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+.~".contains(&byte));
    match first && rest && text.len() <= 100 {
        true => Ok(text.clone()),
        false => Err(spec.error(word.span(), format!("\"{text}\" is not {what}"))),
    }
}

fn at<T>(spec: &SpecFile, field: Option<&Spanned<T>>, error: Error) -> Error {
    match field {
        Some(field) if error.snippet().is_none() => error.at(spec.place.snippet(field.span())),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::Place;

    fn planned(disk: &str) -> Result<Plan> {
        let keys = "[accounts]\nauthorized_keys = [\"ssh-ed25519 AAAAC3 me\"]\n";
        let place = Place { path: "allno.toml".into(), text: format!("{keys}[disk]\n{disk}\n") };
        let spec = SpecFile { spec: place.parse()?, folder: Path::new(".").into(), place };
        plan(&spec, &Options::default(), &Cancel::new())
    }

    fn refused(disk: &str) -> String {
        let error = planned(disk).unwrap_err();
        assert_eq!(
            (error.kind(), error.snippet().map(|it| it.line)),
            (base::Kind::Input, Some(4)),
            "{error}"
        );
        error.to_string()
    }

    #[test]
    fn every_distribution_loads_with_reasons() {
        for name in DISTRIBUTION_FOLDER.names() {
            let (distribution, _) = DISTRIBUTION_FOLDER.load::<Distribution>(&name).unwrap();
            assert_eq!(distribution.name, name);
            assert!(distribution.package.iter().all(|package| package.why.len() > 10), "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_points_at_its_line() {
        assert!(refused("size = \"64M\"").contains("87031808 are needed"));
        assert!(refused("format = \"vhd\"").contains("qcow2"));
        assert!(refused("distribution = \"debain\"").contains("debain"));
        assert!(refused("distribution = \"devuan\"").contains("no mirror"));
        assert!(refused("mirror = \"ftp://m.example/debian\"").contains("not a mirror's address"));
        assert!(refused("suite = \"a b\"").contains("not a suite's name"));
        assert!(refused("packages = [\"--yes\"]").contains("not a package's name"));
        assert!(refused("keyring = \"no-such\"").contains("no-such"));
    }

    #[test]
    fn names_follow_from_what_is_on_the_disk_and_nothing_else() {
        let mirror = "mirror = \"http://m.example/debian\"";
        let plan = planned(mirror).unwrap();
        assert_eq!(plan.names, planned(&format!("{mirror}\nsize = \"2G\"")).unwrap().names);
        assert_ne!(plan.names, planned(&format!("{mirror}\nsuite = \"trixie\"")).unwrap().names);
        assert_eq!(plan.user_space.unwrap().suites.len(), 1);
    }
}

//! Recipes: one source each, and how programs are made of it. The contract is `recipes/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Error, Result, Snippet};
use serde::Deserialize;
use store::{Origin, Sha256, Source};

use crate::data::RECIPE_FOLDER;
use crate::spec::{Place, SpecFile};

/// What a recipe makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipeKind {
    /// A kernel's source tree; the engine builds it.
    Kernel,
    /// The kernel's user-space headers.
    Headers,
    /// What other recipes link with.
    Library,
    /// What goes into the initramfs.
    Program,
}

/// `recipes/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// The source's version; the headers have none of their own.
    #[serde(default)]
    pub version: String,
    /// The kernel's series.
    #[serde(default)]
    pub series: Option<String>,
    /// One sentence.
    pub about: String,
    /// An SPDX expression.
    pub license: String,
    /// What it makes.
    pub kind: RecipeKind,
    /// A source of one's own: a folder or an archive, relative to the recipe.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// The archive's name.
    #[serde(default)]
    pub file: Option<String>,
    /// The archive's hash, as 64 hexadecimal digits.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Addresses, tried first and in order.
    #[serde(default)]
    pub upstream: Vec<String>,
    /// The address of another point release of a kernel series, with VERSION in its place.
    #[serde(default)]
    pub upstream_pattern: Option<String>,
    /// The path below a Debian mirror's root.
    #[serde(default)]
    pub debian: Option<String>,
    /// The hash of Debian's archive, where it is another file than upstream's.
    #[serde(default)]
    pub debian_sha256: Option<String>,
    /// The distribution's package that holds the source.
    #[serde(default)]
    pub package: Option<String>,
    /// The archive inside that package.
    #[serde(default)]
    pub package_file: Option<String>,
    /// The date of the source, in seconds since 1970.
    #[serde(default)]
    pub source_date_epoch: u64,
    /// Recipes whose trees make up the sysroot.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Commands the script runs.
    #[serde(default)]
    pub host_tools: Vec<String>,
    /// Paths that must be there after the script.
    #[serde(default)]
    pub provides: Vec<String>,
    /// Further variables of the script.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Accounts the programs need.
    #[serde(default)]
    pub account: Vec<Account>,
    /// Choices.
    #[serde(default)]
    pub variant: BTreeMap<String, Variant>,
    /// How it is built.
    #[serde(default)]
    pub build: Option<Build>,
}

/// `[[account]]`: an account without password or shell.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account's and its group's name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// The comment field.
    pub about: String,
}

/// `[variant.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// One sentence.
    pub about: String,
    /// Recipes needed on top.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Variables replaced.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// `[build]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// For `sh -eu`.
    pub script: String,
}

impl Recipe {
    /// The recipe called `name`; a name that ends in `.toml` is a file of one's own, relative to the spec.
    ///
    /// # Errors
    /// There is none, or it is not a recipe. `asked_at` is where it was named.
    pub fn load(name: &str, spec: &SpecFile, asked_at: Option<Snippet>) -> Result<Recipe> {
        if !name.ends_with(".toml") {
            let loaded = RECIPE_FOLDER.load::<Recipe>(name);
            return loaded.map(|(recipe, _)| recipe).map_err(|error| match asked_at {
                Some(snippet) if error.snippet().is_none() => {
                    error.at(snippet).note("a recipe of your own is named by its path: \"./NAME.toml\"")
                }
                _ => error,
            });
        }
        let path = spec.folder.join(name);
        // A pipe or a device might never end.
        let is_other = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        let text = match is_other {
            true => Err("it is not a regular file".to_string()),
            false => std::fs::read_to_string(&path).map_err(|cause| cause.to_string()),
        };
        let text = text.map_err(|cause| {
            let error = Error::input(format!("cannot read the recipe {name}")).note(cause);
            asked_at.map_or(error.clone(), |snippet| error.at(snippet))
        })?;
        let place = Place { path: name.into(), text };
        let mut recipe: Recipe = place.parse()?;
        recipe.path = recipe.path.map(|own| path.parent().unwrap_or(Path::new(".")).join(own));
        recipe.check(&place)?;
        Ok(recipe)
    }

    /// The kernel recipe of a series.
    pub fn kernel(series: &str, asked_at: Option<Snippet>) -> Result<Recipe> {
        let name = format!("linux-{series}");
        RECIPE_FOLDER.load::<Recipe>(&name).map(|(recipe, _)| recipe).map_err(|_| {
            let known: Vec<String> = RECIPE_FOLDER
                .names()
                .iter()
                .filter_map(|it| Some(it.strip_prefix("linux-")?.to_string()))
                .collect();
            let known: Vec<String> = known.into_iter().filter(|it| it != "headers").collect();
            let error = Error::input(format!("no recipe for the kernel series \"{series}\""))
                .note(format!("there are: {}", known.join(", ")))
                .hint("another kernel: [kernel] path = \"FOLDER, GIT CHECKOUT OR TARBALL\"");
            asked_at.map_or(error.clone(), |snippet| error.at(snippet))
        })
    }

    fn check(&self, place: &Place) -> Result<()> {
        let complain = |what: &str| {
            let error = Error::input(format!("the recipe {} {what}", self.name));
            Err(error.note(format!("in {}", place.path.display())).hint("see recipes/README.md"))
        };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return complain("needs a plain name (letters, digits, - _ . +)");
        }
        if self.kind != RecipeKind::Kernel && self.build.is_none() {
            return complain("has no [build] script");
        }
        if self.path.is_none()
            && self.kind == RecipeKind::Program
            && (self.file.is_none() || self.sha256.is_none())
        {
            return complain("names no source: path, or file and sha256 with upstream");
        }
        Ok(())
    }

    /// The recipe with one of its variants chosen.
    pub fn with_variant(mut self, name: &str) -> Recipe {
        if let Some(variant) = self.variant.remove(name) {
            self.needs.extend(variant.needs);
            self.variables.extend(variant.variables);
        }
        self
    }

    /// "busybox 1.37.0"
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version).trim_end().to_string()
    }

    /// What has to be fetched for it; `None` where the source is already here.
    ///
    /// # Errors
    /// A hash that is none.
    pub fn source(&self) -> Result<Option<Source>> {
        let (None, Some(file)) = (&self.path, &self.file) else { return Ok(None) };
        let hash = |text: &Option<String>| -> Result<Option<Sha256>> {
            let parsed = text.as_deref().map(|digits| digits.parse::<Sha256>());
            parsed.transpose().map_err(|error| Error::input(format!("recipe {}: {error}", self.name)))
        };
        let mut origins: Vec<Origin> = self.upstream.iter().cloned().map(Origin::Url).collect();
        if let Some(path) = &self.debian {
            origins.push(match hash(&self.debian_sha256)? {
                Some(sha256) => Origin::DebianFile { path: path.clone(), sha256 },
                None => Origin::DebianPath(path.clone()),
            });
        }
        if let Some(name) = &self.package {
            origins.push(Origin::DebianPackage { name: name.clone() });
        }
        Ok(Some(Source {
            name: self.name.clone(),
            version: self.version.clone(),
            file: file.clone(),
            sha256: hash(&self.sha256)?,
            origins,
        }))
    }
}

/// Recipes in the order they are built, each with all it needs before it.
///
/// # Errors
/// An unknown recipe, or two that need each other.
pub fn in_build_order(wanted: Vec<Recipe>, spec: &SpecFile) -> Result<Vec<Recipe>> {
    let mut order: Vec<Recipe> = Vec::new();
    for recipe in wanted {
        place(recipe, spec, &mut order, &mut Vec::new())?;
    }
    Ok(order)
}

fn place(
    recipe: Recipe,
    spec: &SpecFile,
    order: &mut Vec<Recipe>,
    under_way: &mut Vec<String>,
) -> Result<()> {
    if order.iter().any(|known| known.name == recipe.name) {
        return Ok(());
    }
    if under_way.contains(&recipe.name) {
        return Err(Error::input(format!(
            "the recipe {} needs itself: {}",
            recipe.name,
            under_way.join(", ")
        )));
    }
    under_way.push(recipe.name.clone());
    for need in &recipe.needs {
        let needed = Recipe::load(need, spec, None)
            .map_err(|error| error.note(format!("needed by the recipe {}", recipe.name)))?;
        place(needed, spec, order, under_way)?;
    }
    under_way.pop();
    order.push(recipe);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SpecFile {
        SpecFile::find(None, Path::new("/nonexistent")).unwrap()
    }

    #[test]
    fn every_recipe_loads_and_is_complete() {
        for name in RECIPE_FOLDER.names() {
            let (recipe, place) = RECIPE_FOLDER.load::<Recipe>(&name).unwrap();
            recipe.check(&place).unwrap();
            if recipe.kind != RecipeKind::Headers {
                let source = recipe.source().unwrap().unwrap();
                assert!(source.sha256.is_some(), "{name}");
                assert!(matches!(source.origins[0], Origin::Url(_)), "{name}: upstream comes first");
                assert!(source.origins.len() > 1, "{name}: and is not the only one");
            }
        }
    }

    #[test]
    fn what_is_needed_is_built_before() {
        let openssh = Recipe::load("openssh", &spec(), None).unwrap().with_variant("full");
        let order = in_build_order(vec![openssh], &spec()).unwrap();
        let names: Vec<_> = order.iter().map(|recipe| recipe.name.as_str()).collect();
        assert_eq!(names, ["musl", "linux-headers", "openssl", "openssh"]);
        assert_eq!(order[3].variables["CRYPTO"], "full");
    }

    #[test]
    fn an_unknown_series_says_what_there_is() {
        let error = Recipe::kernel("5.6", None).unwrap_err();
        assert!(error.notes()[0].contains("6.1, 6.12"), "{error}");
    }
}

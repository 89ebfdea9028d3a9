//! Reading a spec, or another TOML file of ours, with errors that point into it.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use base::{Error, Result, Snippet};
use serde::de::DeserializeOwned;

use super::{BUILT_IN, FILE_NAME, Spec};

/// A spec with the text it came from, so that later stages can still point into it.
#[derive(Clone, Debug)]
pub struct SpecFile {
    /// What it says.
    pub spec: Spec,
    /// The folder its relative paths start from, where `allno.lock` and `runs/` stand too.
    pub folder: PathBuf,
    /// Where the text came from.
    pub place: Place,
}

/// A text file and its content, able to point at a part of itself.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file's path as the person would name it, or `<built-in node>`.
    pub path: PathBuf,
    /// The file's text.
    pub text: String,
}

impl Place {
    /// The place for the byte range `span`.
    pub fn snippet(&self, span: Range<usize>) -> Snippet {
        Snippet::of(&self.path, &self.text, span)
    }

    /// "file:line" of the byte range `span`.
    pub fn line(&self, span: Range<usize>) -> String {
        let snippet = self.snippet(span);
        format!("{}:{}", snippet.path.display(), snippet.line)
    }

    /// Reads the text as TOML into `T`; an error says what was expected, where, and the nearest known key.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &toml::de::Error) -> Error {
        let message = error.message().lines().next().unwrap_or("not valid TOML").to_string();
        let result = match unknown_key(&message) {
            Some((found, known)) => {
                let error = Error::input(format!("unknown key `{found}`"));
                match nearest(&found, &known) {
                    Some(close) => error.hint(format!("did you mean `{close}`?")),
                    None => error.note(format!("known here: {}", known.join(", "))),
                }
            }
            None => Error::input(message),
        };
        match error.span() {
            Some(span) => result.at(self.snippet(span)),
            None => result.note(format!("in {}", self.path.display())),
        }
    }
}

impl SpecFile {
    /// Finds and reads the spec: the file `named`, or `allno.toml` in the folder `named`; without a name,
    /// `allno.toml` in `current`, else the built-in node.
    pub fn find(named: Option<&Path>, current: &Path) -> Result<SpecFile> {
        let path = match named {
            Some(named) if named.is_dir() => named.join(FILE_NAME),
            Some(named) => named.to_path_buf(),
            None if current.join(FILE_NAME).is_file() => PathBuf::from(FILE_NAME),
            None => {
                return SpecFile::read(
                    Place { path: "<built-in node>".into(), text: BUILT_IN.into() },
                    current,
                );
            }
        };
        let absolute = current.join(&path);
        let text = read_bounded(&absolute).map_err(|cause| {
            let error =
                Error::input(format!("cannot read the spec {}", path.display())).note(cause.to_string());
            error.hint(
                "name a spec file or a folder holding allno.toml; without either the built-in node is used",
            )
        })?;
        let folder = absolute.parent().unwrap_or(current).to_path_buf();
        SpecFile::read(Place { path, text }, &folder)
    }

    fn read(place: Place, folder: &Path) -> Result<SpecFile> {
        let spec = place.parse()?;
        Ok(SpecFile { spec, folder: folder.to_path_buf(), place })
    }

    /// An input error that points at `span` of the spec.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        Error::input(message).at(self.place.snippet(span))
    }

    /// A path the spec names, made absolute: a regular file or a folder. Anything else (a pipe, a device) might never end.
    pub fn existing(&self, path: &toml::Spanned<PathBuf>) -> Result<PathBuf> {
        let absolute = self.folder.join(path.get_ref());
        let error = |what: String| {
            self.error(path.span(), what)
                .note(format!("paths are relative to the spec's folder, {}", self.folder.display()))
        };
        let shown = path.get_ref().display();
        match absolute.metadata() {
            Ok(metadata) if metadata.is_file() || metadata.is_dir() => Ok(absolute),
            Ok(_) => Err(error(format!("{shown} is neither a regular file nor a folder"))),
            Err(cause) => {
                Err(error(format!("cannot read {shown}")).note(format!("{}: {cause}", absolute.display())))
            }
        }
    }

    /// A regular file the spec names, made absolute.
    pub fn existing_file(&self, path: &toml::Spanned<PathBuf>) -> Result<PathBuf> {
        let found = self.existing(path)?;
        match found.is_file() {
            true => Ok(found),
            false => Err(self.error(
                path.span(),
                format!("{} is a folder, and a file is needed", path.get_ref().display()),
            )),
        }
    }
}

/// Far more than any spec has.
const LARGEST: u64 = 1 << 20;

/// A spec's text. It may come through a pipe, but not without end.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(std::io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20))),
        false => Ok(text),
    }
}

/// The unknown key and the known ones, out of serde's message for `deny_unknown_fields`.
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let rest =
        message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("unknown variant `"))?;
    let (found, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_string).collect();
    Some((found.to_string(), known))
}

/// `error`, that there is no `word`, with the candidate it may be meant for; else with all of them, after `all`.
pub fn with_nearest(error: Error, word: &str, candidates: &[String], all: &str) -> Error {
    match nearest(word, candidates) {
        Some(close) => error.hint(format!("did you mean \"{close}\"?")),
        None => error.note(format!("{all}: {}", candidates.join(", "))),
    }
}

/// The candidate a typing mistake away from `word`, if there is one.
fn nearest<'a>(word: &str, candidates: &'a [String]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .iter()
        .map(|candidate| (explain::distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SpecFile> {
        SpecFile::read(Place { path: "allno.toml".into(), text: text.into() }, Path::new("."))
    }

    #[test]
    fn the_built_in_node_is_a_spec() {
        let node =
            SpecFile::read(Place { path: "node".into(), text: BUILT_IN.into() }, Path::new(".")).unwrap();
        assert!(!node.spec.expect.is_empty());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = read("[kernel]\nseres = \"6.12\"\n").unwrap_err();
        assert_eq!(error.message(), "unknown key `seres`");
        assert_eq!(error.snippet().unwrap().line, 2);
        assert_eq!(error.hints(), ["did you mean `series`?"]);
        assert_eq!(error.kind(), base::Kind::Input);
    }

    #[test]
    fn a_wrong_type_says_what_was_expected() {
        let error = read("[kernel]\n\nseries = 6.12\n").unwrap_err();
        assert!(error.message().contains("expected a string"), "{error}");
        assert_eq!(error.snippet().unwrap().line, 3);
    }

    #[test]
    fn a_wrong_size_is_explained() {
        let error = read("[machine]\nmemory = \"lots\"\n").unwrap_err();
        assert!(error.message().contains("256M"), "{error}");
        assert_eq!(error.snippet().unwrap().line, 2);
    }

    #[test]
    fn broken_toml_points_at_the_line() {
        assert_eq!(read("[kernel]\nseries = \n").unwrap_err().snippet().unwrap().line, 2);
    }

    #[test]
    fn an_error_without_a_place_names_the_file() {
        let deep = format!("[{}b]\n", "a.".repeat(100_000));
        let error = read(&deep).unwrap_err();
        assert_eq!((error.kind(), error.snippet()), (base::Kind::Input, None));
        assert_eq!(error.notes(), ["in allno.toml"]);
    }

    #[test]
    fn a_slip_names_what_was_meant() {
        let known = ["gateway".to_string(), "address".to_string()];
        assert_eq!(nearest("adress", &known), Some("address"));
        assert_eq!(nearest("colour", &known), None);
    }
}

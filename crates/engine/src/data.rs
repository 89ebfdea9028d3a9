//! The data that stands in folders of its own beside the code: recipes, rungs, machines and the node's files.

use base::{Error, Result};
use machine::Machine;
use serde::de::DeserializeOwned;

use crate::spec::{Place, with_nearest};

include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// A folder of data files, each named after what it describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folder {
    /// "recipe": for messages.
    pub kind: &'static str,
    /// "recipes": where the files stand.
    pub name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

pub(crate) const RECIPE_FOLDER: Folder = Folder { kind: "recipe", name: "recipes", files: RECIPES };
pub(crate) const RUNG_FOLDER: Folder = Folder { kind: "rung", name: "rungs", files: RUNGS };
pub(crate) const DISTRIBUTION_FOLDER: Folder =
    Folder { kind: "distribution", name: "distributions", files: DISTRIBUTIONS };
pub(crate) const MACHINE_FOLDER: Folder = Folder { kind: "machine", name: "machines", files: MACHINES };
pub(crate) const LADDER_FOLDER: Folder = Folder { kind: "ladder", name: "ladder", files: LADDER };

/// The machine called `name`.
///
/// # Errors
/// There is none; the nearest name is the hint.
pub(crate) fn machine(name: &str) -> Result<Machine> {
    let place = MACHINE_FOLDER.place(name)?;
    Machine::parse(&place.path, &place.text)
}

impl Folder {
    /// Every name in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        self.files.iter().filter_map(|(file, _)| file.strip_suffix(".toml")).map(str::to_string).collect()
    }

    /// The text of `name`.toml with its place.
    ///
    /// # Errors
    /// There is none: the nearest name is the hint.
    pub fn place(&self, name: &str) -> Result<Place> {
        let file = format!("{name}.toml");
        match self.files.iter().find(|(candidate, _)| *candidate == file) {
            Some((file, text)) => {
                Ok(Place { path: format!("{}/{file}", self.name).into(), text: (*text).to_string() })
            }
            None => {
                let names = self.names();
                let error = Error::input(format!("there is no {} \"{name}\"", self.kind));
                Err(with_nearest(error, name, &names, "there are"))
            }
        }
    }

    /// The text of the file called `name`, whatever it holds, with its place.
    ///
    /// # Errors
    /// There is none.
    pub fn file(&self, name: &str) -> Result<Place> {
        let found = self.files.iter().find(|(candidate, _)| *candidate == name);
        let (file, text) = found.ok_or_else(|| {
            let names: Vec<&str> = self.files.iter().map(|(file, _)| *file).collect();
            Error::input(format!("there is no {}/{name}", self.name))
                .note(format!("there are: {}", names.join(", ")))
        })?;
        Ok(Place { path: format!("{}/{file}", self.name).into(), text: (*text).to_string() })
    }

    /// `name`.toml, parsed.
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> Result<(T, Place)> {
        let place = self.place(name)?;
        Ok((place.parse()?, place))
    }
}

/// The text of one of the node's own files.
pub(crate) fn node_file(name: &str) -> Result<&'static str> {
    file_in("node", NODE, name)
}

/// The text of one of the files of a disk.
pub(crate) fn disk_file(name: &str) -> Result<&'static str> {
    file_in("disk", DISK, name)
}

fn file_in(folder: &str, files: &[(&str, &'static str)], name: &str) -> Result<&'static str> {
    let found = files.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
    found.ok_or_else(|| Error::failed(format!("{folder}/{name} is not embedded")))
}

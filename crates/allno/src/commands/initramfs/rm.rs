//! `allno initramfs rm`: a name taken out of an archive.

use std::os::unix::ffi::OsStrExt;

use base::{Error, Result};

use super::edit::{answer, open};
use super::pack::refusal;
use super::{Answer, Context, shown};
use crate::arguments::InitramfsRm;

/// Removes it.
pub fn run(context: &Context, arguments: &InitramfsRm) -> Result<Answer> {
    let path = &arguments.archive;
    let told = |cause| refusal(path, cause);
    let archive = open(context, path)?;
    let name = archive.resolve_parent(arguments.path.as_bytes()).map_err(told)?;
    if archive.get(&name).map_err(told)?.is_none() {
        let archive = path.display();
        return Err(Error::input(format!("{} is not in {archive}", shown(&name)))
            .hint(format!("allno initramfs ls {archive}")));
    }
    let change =
        archive.remove(&name, arguments.recursive).map_err(|cause| match (&cause, arguments.recursive) {
            (initramfs::Error::Value { .. }, false) => told(cause).hint(format!(
                "allno initramfs rm --recursive {} {}",
                path.display(),
                shown(&name)
            )),
            _ => told(cause),
        })?;
    answer(context, path, &[name], &change)
}

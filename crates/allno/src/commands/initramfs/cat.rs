//! `allno initramfs cat`: a file as the kernel leaves it.

use std::os::unix::ffi::OsStrExt;

use base::{Error, Result};
use initramfs::{ImageReader, NodeKind, Rules, Tree};

use super::ls::type_word;
use super::{Out, faults, list_command, shown, unreadable};
use crate::arguments::InitramfsCat;
use crate::commands::{Answer, Context};

/// Writes the file's bytes. Symbolic links are followed within the archive; of several entries of a name the one counts that the
/// kernel would leave.
pub fn run(context: &Context, arguments: &InitramfsCat) -> Result<Answer> {
    let archive = &arguments.archive;
    let unreadable = |cause| unreadable(archive, cause);
    let source = super::source::open(archive, &context.cancel)?;
    let mut tree = Tree::new(Rules::Kernel);
    let mut number = 0;
    let mut reader = ImageReader::new(source.clone()).map_err(unreadable)?;
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        context.cancel.check()?;
        tree.apply(&entry.tree_entry(number));
        number += 1;
    }
    let fault = faults(archive, reader.summary()).map(|error| error.hint(list_command(archive)));
    let wanted = match find(&tree, arguments) {
        Ok(wanted) => wanted,
        // Perhaps it stands behind the fault.
        Err(missing) => return Err(fault.unwrap_or(missing)),
    };
    let mut reader = ImageReader::new(source).map_err(unreadable)?;
    for _ in 0..wanted {
        context.cancel.check()?;
        reader.next_entry().map_err(unreadable)?;
    }
    if let Some(mut entry) = reader.next_entry().map_err(unreadable)? {
        let mut out = Out::new();
        let mut outcome = Ok(());
        // Data that ends early is among the faults.
        let _ = entry.pieces(|bytes| {
            if outcome.is_ok() && !out.gone() && !context.cancel.is_set() {
                outcome = out.write(bytes);
            }
        });
        outcome?;
        out.finish()?;
        context.cancel.check()?;
    }
    Ok(match fault {
        Some(error) => Answer::default().with_error(error),
        None => Answer::default(),
    })
}

/// The number of the entry that has the data.
fn find(tree: &Tree, arguments: &InitramfsCat) -> Result<u64> {
    let path = arguments.path.as_bytes();
    let archive = arguments.archive.display();
    let list = list_command(&arguments.archive);
    let Some(node) = tree.resolve(path) else {
        let message = match tree.find(path) {
            Some(_) => format!("{} is a symbolic link to nothing in {archive}", shown(path)),
            None => format!("{archive} has no {}", shown(path)),
        };
        return Err(Error::input(message).hint(list));
    };
    match &tree.node(node).kind {
        NodeKind::File { content, .. } => Ok(*content),
        kind => {
            let what = type_word(kind.file_type());
            Err(Error::input(format!("{} is no file in {archive} but a {what}", shown(path))).hint(list))
        }
    }
}

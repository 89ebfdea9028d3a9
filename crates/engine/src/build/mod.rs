//! Building: the kernel's source, the kernel, and the user space.

pub mod kernel;
pub mod kernel_config;
pub mod kernel_source;
mod survival;
pub mod toolchain;
pub mod userland;
mod version;

use std::path::Path;

use base::Error;

pub use kernel::Kernel;
pub use kernel_source::KernelSource;
pub use toolchain::Toolchain;
pub use userland::Programs;

/// The scratch folder goes away with a failed build; its log is moved to `kept`, on the same file system, and the error
/// says so. A rename, as a full disk has no room for a copy.
pub(crate) fn keep_log(error: Error, log: &Path, kept: &Path) -> Error {
    let moved = kept.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
        && std::fs::rename(log, kept).is_ok();
    match moved {
        true => error.replace_note("log: ", format!("log: {}", kept.display())),
        false if error.notes().iter().any(|note| note.starts_with("log: ")) => {
            error.replace_note("log: ", "its log could not be kept")
        }
        false => error,
    }
}

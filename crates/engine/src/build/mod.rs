//! Building: the kernel's source, the kernel, and the user space.

pub mod kernel;
pub mod kernel_source;
mod survival;
pub mod toolchain;
pub mod userland;

use std::path::Path;

use base::Error;

pub use kernel::Kernel;
pub use kernel_source::KernelSource;
pub use toolchain::Toolchain;
pub use userland::Programs;

/// The scratch folder goes away with a failed build; its log is moved to `kept`, and the error says so.
fn keep_log(error: Error, log: &Path, kept: &Path) -> Error {
    let moved = kept.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
        && std::fs::copy(log, kept).is_ok();
    match moved {
        true => error.replace_note("log: ", format!("log: {}", kept.display())),
        false => error,
    }
}

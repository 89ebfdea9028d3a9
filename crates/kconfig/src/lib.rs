//! Kconfig, exactly as the kernel's own tools read it: the language, evaluation, `.config` files, and the modes of
//! `scripts/kconfig/conf`.
//!
//! [`load()`] reads a tree into a [`Model`]; a [`Configuration`] gives its symbols values; [`conf::run`] is the C tool's whole
//! command. Files, environment and shell answers come in through the traits of [`host`].
//!
//! Deliberately absent: anything that opens a file or starts a program.

mod builder;
pub mod conf;
mod configuration;
mod cycle;
mod dialect;
mod dot_config;
mod expression;
mod finalize;
pub mod host;
mod lexer;
mod load;
mod message;
mod model;
mod parser;
mod preprocess;
mod text;
mod value;

pub use conf::Start;
pub use conf::{Jump, Relations};
pub use configuration::{Configuration, UserValue};
pub use dialect::Dialect;
pub use dot_config::{Assignment, AssignmentError, DotConfig, Value};
pub use expression::{Comparison, Expression, ExpressionId, Expressions};
pub use load::{LoadError, Loaded, load};
pub use message::{Message, Stream};
pub use model::{
    File, FileId, Menu, MenuId, Model, Place, Property, PropertyId, PropertyKind, Symbol, SymbolId,
    SymbolType, Tristate,
};
pub use value::{compare as compare_values, is_valid as is_valid_value, to_number};

/// Runs `work` on a stack that holds the deepest trees this crate accepts. Kconfig's values hang on each other by recursion, as
/// in the C tool; there a tree that is too deep ends in a crash.
///
/// # Panics
/// If `work` panics, or no thread can be had.
pub fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    const STACK: usize = 512 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(cause) => panic!("no thread for Kconfig: {cause}"),
        }
    })
}

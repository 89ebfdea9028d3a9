//! `allno ssh`: log into the machine that runs.

use base::Result;

use super::{Answer, Context};
use crate::arguments::Ssh;

/// Logs in; the exit code is that of the command that ran there.
pub fn run(context: &Context, arguments: &Ssh) -> Result<Answer> {
    let here = super::current()?;
    let code = engine::boot::login(&here, arguments.run.as_deref(), &arguments.command, &context.cancel)?;
    Ok(Answer::default().with_code(code))
}

//! `allno boot`: build what is missing, boot it, and check it or hand over its console.

use base::{Event, Result};
use engine::Overrides;
use engine::boot::Mode;

use super::{Answer, Context};
use crate::arguments::Boot;

/// Boots. Without a terminal at both ends there is nobody to hand the console to, and it is checked.
pub fn run(context: &Context, arguments: &Boot) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let overrides = Overrides {
        machine: arguments.machine.clone(),
        append: arguments.append.clone(),
        memory: arguments.memory,
        initramfs: arguments.initramfs.clone(),
    };
    let check = arguments.check || context.global.json || !machine::interactive::is_terminal();
    let mode = if check { Mode::Check } else { Mode::Interactive };
    let made = engine::make(&session, &spec, &overrides, false)?;
    let report = engine::boot::boot(&session, &spec, &made, mode, arguments.gdb)?;
    let answer = Answer::new(context.global, &report, String::new)?;
    if let Some(error) = report.failure(&spec) {
        return Ok(answer.with_error(error));
    }
    let run = super::spoken(&report.run, &super::current()?);
    match mode {
        Mode::Check => {
            let count = report.expectations.len();
            session.events.line("passed", format!("{count} of {count}   run: {run}"));
        }
        Mode::Interactive => {
            // The guest's cursor may be anywhere in a line.
            session.events.send(Event::Console(b"\r\n".to_vec()));
            session.events.line("ended", format!("run: {run}"));
        }
    }
    Ok(answer)
}

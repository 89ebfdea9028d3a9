//! `allno boot`: build what is missing, boot it, and check it or hand over its console.

use base::Result;
use engine::Overrides;
use engine::boot::{Mode, Report};

use super::{Answer, Context};
use crate::arguments::Boot;

/// Boots. Without a terminal at both ends there is nobody to hand the console to, and it is checked.
pub fn run(context: &Context, arguments: &Boot) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let overrides = Overrides {
        machine: arguments.machine.clone(),
        append: arguments.append.clone(),
        memory: arguments.memory,
    };
    let check = arguments.check || context.global.json || !machine::interactive::is_terminal();
    let mode = if check { Mode::Check } else { Mode::Interactive };
    let made = engine::make(&session, &spec, &overrides, false)?;
    let report = engine::boot::boot(&session, &spec, &made, mode, arguments.gdb)?;
    let answer = Answer::new(context.global, &report, String::new)?;
    Ok(match report.failure(&spec) {
        Some(error) => answer.with_error(error),
        None => {
            session.events.line("passed", passed(&report)?);
            answer
        }
    })
}

/// "3 of 3   run: runs/2026-11-22T14-03-09"
fn passed(report: &Report) -> Result<String> {
    let count = report.expectations.len();
    let run = super::spoken(&report.run, &super::current()?);
    Ok(format!("{count} of {count}   run: {run}"))
}

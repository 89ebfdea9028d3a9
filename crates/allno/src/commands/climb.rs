//! `allno climb`: every rung from allnoconfig up, each proved by boots.

use base::{Error, Result};
use engine::climb::{self, Part, Record, prove, reach, report};

use super::{Answer, Context};
use crate::arguments::Climb;

/// Climbs, and says of each rung what was seen below it and with it.
pub fn run(context: &Context, arguments: &Climb) -> Result<Answer> {
    if let Some(rung) = &arguments.prove {
        return prove_options(context, arguments, rung);
    }
    if arguments.own_kernel {
        return try_own_kernel(context, arguments);
    }
    let records = match &arguments.records {
        Some(path) => report::read(path)?,
        None => climb_all(context, arguments)?,
    };
    if let Some(folder) = &arguments.report {
        let page = report::write(folder, &records)?;
        context.events.line("report", page.display().to_string());
    }
    let failed: Vec<&str> =
        records.iter().filter(|record| !record.proved).map(|record| record.rung.as_str()).collect();
    let answer = Answer::new(context.global, &records, || summary(&records))?;
    Ok(match failed.is_empty() || arguments.records.is_some() {
        true => answer,
        false => answer.with_error(Error::failed(format!("not proved: {}", failed.join(", ")))),
    })
}

/// The rungs from --from to --to.
fn part(arguments: &Climb) -> Part {
    Part { from: arguments.from.clone(), to: arguments.to.clone() }
}

fn climb_all(context: &Context, arguments: &Climb) -> Result<Vec<Record>> {
    let (session, spec) = context.session(&arguments.spec)?;
    let part = part(arguments);
    let events = &session.events;
    climb::climb(&session, &spec, &part, |record| {
        let word = if record.proved { "proved" } else { "NOT proved" };
        events.line(word, format!("{}   {}", record.rung, climb::line(record)));
        for proof in &record.proofs {
            proof.before.iter().for_each(|line| events.line("  below", line.clone()));
            proof.after.iter().for_each(|line| events.line("  with", line.clone()));
        }
        Ok(())
    })
}

/// The spec's own kernel on every rung.
fn try_own_kernel(context: &Context, arguments: &Climb) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let part = part(arguments);
    let events = &session.events;
    let reached = reach::reach(&session, &spec, &part, |reach| {
        events.line(if reach.reached { "reached" } else { "NOT reached" }, reach.rung.clone());
        let lines = reach.proofs.iter().flat_map(|tried| &tried.lines);
        lines.for_each(|line| events.line("", line.clone()));
        Ok(())
    })?;
    let summary = || format!("{} of {} rungs reached\n", reached.count(), reached.rungs.len());
    Answer::new(context.global, &reached, summary)
}

/// Each option of one rung, or of all, taken away in turn.
fn prove_options(context: &Context, arguments: &Climb, rung: &str) -> Result<Answer> {
    let (session, spec) = context.session(&arguments.spec)?;
    let named = Some(rung.to_string()).filter(|rung| !rung.is_empty());
    let part = Part {
        from: named.clone().or_else(|| arguments.from.clone()),
        to: named.or_else(|| arguments.to.clone()),
    };
    let bare = |name: &String| name.strip_prefix("CONFIG_").unwrap_or(name).to_string();
    let chosen: Vec<String> = arguments.options.iter().map(bare).collect();
    let events = &session.events;
    let on_verdict = |verdict: &prove::Verdict| {
        events.line(verdict.finding.word(), format!("{}   {}", verdict.option, verdict.rung));
        verdict.evidence.iter().for_each(|line| events.line("", line.clone()));
    };
    let report = |verdicts: &[prove::Verdict]| match &arguments.report {
        Some(folder) => report::write_verdicts(folder, verdicts, chosen.is_empty()).map(drop),
        None => Ok(()),
    };
    let verdicts = prove::prove(&session, &spec, &part, &chosen, on_verdict, report)?;
    if let Some(folder) = &arguments.report {
        events.line("report", folder.join("prove.md").display().to_string());
    }
    Answer::new(context.global, &verdicts, || format!("{}\n", prove::count(&verdicts)))
}

fn summary(records: &[Record]) -> String {
    let proofs: usize = records.iter().map(|record| record.proofs.len()).sum();
    let proved = records.iter().filter(|record| record.proved).count();
    format!("{proved} of {} rungs proved, by {proofs} proofs\n", records.len())
}

//! The command `allno`: arguments in, drawing and exit codes out. All work is done by the engine.

mod arguments;
mod commands;
mod draw;
mod layout;
mod output;
mod terminal;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use base::{Cancel, Error};
use clap::{CommandFactory, FromArgMatches};

use arguments::{Arguments, Color};
use commands::{Answer, Output};
use terminal::{Look, write_stderr};

fn main() -> ExitCode {
    if let Some(line) = commands::conf::whole_line(std::env::args_os()) {
        end_on_panic(false);
        return commands::conf::main(&line);
    }
    let json = asks_for_json();
    end_on_panic(json);
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error, json),
    };
    let cancel = Cancel::new();
    stop_on_ctrl_c(cancel.clone());
    let look = Look::of_stderr(arguments.global.color);
    match commands::run(&arguments, look, cancel.clone()).and_then(|answer| tell(answer, look)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // What a stop cuts off fails in words of its own.
            let error = if cancel.is_set() { Error::cancelled() } else { error };
            report(&error, look, json);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Writes the answer; its exit code.
fn tell(answer: Answer, look: Look) -> Result<u8, Error> {
    match &answer.output {
        Output::Nothing => {}
        Output::Text(text) => output::text(text)?,
        Output::Object(object) => output::json(object)?,
    }
    if let Some(error) = &answer.error {
        write_stderr(layout::error(look, error).as_bytes());
    }
    Ok(answer.code)
}

/// An error goes to standard error for the person and, with `--json`, to standard output for the program.
fn report(error: &Error, look: Look, json: bool) {
    write_stderr(layout::error(look, error).as_bytes());
    if json {
        let _ = output::json(&output::error_object(error));
    }
}

/// `--json` counts even when the rest of the line makes no sense: whoever parses our answers gets one.
fn asks_for_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

fn parse() -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || asks_for_no_color() {
        command = command.color(clap::ColorChoice::Never);
    }
    command.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches))
}

/// `--color never` has to be known before the line is understood: clap colours its own refusals.
fn asks_for_no_color() -> bool {
    let words: Vec<_> = std::env::args_os().take_while(|argument| argument != "--").collect();
    words.iter().any(|word| word == "--color=never")
        || words.windows(2).any(|pair| pair[0] == "--color" && pair[1] == "never")
}

/// Help and version are answers; anything else clap refuses is wrong input.
fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_string();
        let mut refused = Error::input(message);
        for line in lines {
            refused = match line.strip_prefix("tip: ") {
                Some(tip) => refused.hint(tip),
                None => refused.note(line),
            };
        }
        let _ = output::json(&output::error_object(&refused));
    }
    ExitCode::from(base::Kind::Input.exit_code())
}

/// A panic is a bug of ours. It is said so, the terminal is mended, and the command ends at once with 1:
/// a worker that died must not leave another waiting for it. Children die by their watchdog.
fn end_on_panic(json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        terminal::restore();
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        let mut error = Error::failed("allno has a bug and cannot go on");
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        if let Some(text) = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)) {
            error = error.note(text);
        }
        error = error
            .note(format!("at {} of allno {}", place.unwrap_or_default(), env!("CARGO_PKG_VERSION")))
            .hint("report it with these lines, the command and the spec");
        report(&error, Look::of_stderr(Color::Auto), json);
        std::process::exit(1);
    }));
}

/// The first Ctrl-C asks everything to stop in order; the second ends the command where it stands.
fn stop_on_ctrl_c(cancel: Cancel) {
    static ASKED: AtomicBool = AtomicBool::new(false);
    // Without a handler the signal's default action ends us, and the watchdog our children.
    let _ = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            terminal::restore();
            std::process::exit(1);
        }
        cancel.set();
    });
}

//! The ladder beside the tutorial that it follows: the same road with the tutorial's own option list, built from the same tree, and how
//! far each kernel gets when it is booted on every rung.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Result};
use engine::climb::reach::{Reach, Reached};

/// What is compared: a spec of `examples/`, and what it stands for.
const SPECS: [(&str, &str); 3] = [
    ("tutorial", "the tutorial's list"),
    ("tutorial-end", "our rungs, at the tutorial's end"),
    ("top", "our rungs, at the top of the ladder"),
];

/// How long one kernel may take on all rungs.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

/// What to compare.
#[derive(clap::Args)]
pub struct Options {
    /// The command
    #[arg(long, default_value = "target/release/allno", value_name = "FILE")]
    allno: PathBuf,
    /// The first rung to try
    #[arg(long, value_name = "RUNG")]
    from: Option<String>,
    /// The last rung to try
    #[arg(long, value_name = "RUNG")]
    to: Option<String>,
    /// Write the table to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Builds the three kernels and boots each on every rung. Whether the top of the ladder is smaller than the tutorial's list and reaches
/// more rungs, and our kernel at the tutorial's end needs no more options than the list.
///
/// # Errors
/// A kernel that does not build; a run that was stopped.
pub fn run(options: &Options, cancel: &Cancel) -> Result<bool> {
    let all = SPECS.iter().map(|(spec, _)| reach(options, spec, cancel)).collect::<Result<Vec<Reached>>>()?;
    let text = table(&all);
    match &options.output {
        Some(path) => std::fs::write(path, &text).context(|| format!("cannot write {}", path.display()))?,
        None => print!("{text}"),
    }
    let [tutorial, end, top] = all.as_slice() else {
        return Err(Error::failed("three kernels were expected"));
    };
    let holds = [
        ("the top is smaller than the list", top.bzimage_bytes < tutorial.bzimage_bytes),
        ("the top reaches more rungs", top.count() > tutorial.count()),
        ("at the tutorial's end no more options =y", end.y_count <= tutorial.y_count),
        ("at the tutorial's end no fewer rungs", end.count() >= tutorial.count()),
    ];
    for (claim, holds) in holds {
        println!("{}   {claim}", if holds { "holds" } else { "FAILS" });
    }
    Ok(holds.iter().all(|(_, holds)| *holds))
}

fn reach(options: &Options, spec: &str, cancel: &Cancel) -> Result<Reached> {
    let spec = Path::new("examples").join(spec).with_extension("toml");
    let mut allno = Program::new(&options.allno).args(["climb", "--own-kernel", "--json"]).arg(&spec);
    for (name, rung) in [("--from", &options.from), ("--to", &options.to)] {
        if let Some(rung) = rung {
            allno = allno.args([name, rung]);
        }
    }
    println!("{}", allno.shell_line());
    let captured = allno.capture(LIMIT, cancel)?;
    if !captured.status.success() {
        return Err(Error::failed(format!("allno climb --own-kernel {} failed", spec.display()))
            .output(captured.stderr.lines().map(String::from)));
    }
    serde_json::from_str(&captured.stdout)
        .map_err(|cause| Error::failed("its answer is not what docs/json.md says").note(cause.to_string()))
}

fn table(all: &[Reached]) -> String {
    let mut text = "# Beside the tutorial\n\nMade by `cargo xtask tutorial-table --output docs/climb/tutorial.md`. The tutorial's own list \
                    of options (examples/tutorial.toml), our rungs up to where it ended (examples/tutorial-end.toml), and all our rungs \
                    (examples/top.toml), built from the same tree by the same compiler. Then each of the three kernels was booted in the \
                    place of every rung's: a rung is reached when all its proofs pass. The top has its arguments built in, rootwait among them: with no \
                    root it waits where the two lowest rungs want to see a panic.\n\n"
        .to_string();
    text.push_str(
        "| | kernel | asked for | CONFIG_ lines | options =y | bzImage | vmlinux | rungs reached |\n",
    );
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
    text.push_str("| the tutorial in 2020, as it tells | 5.6 | | 459 | | 2.2 MB | | |\n");
    for (reached, (_, title)) in all.iter().zip(SPECS) {
        let _ = writeln!(
            text,
            "| {title} | {} | {} | {} | {} | {} | {} | {} of {} |",
            reached.kernel_version,
            reached.asked,
            reached.config_lines,
            reached.y_count,
            reached.bzimage_bytes,
            reached.vmlinux_bytes,
            reached.count(),
            reached.rungs.len()
        );
    }
    text.push_str("\n| rung |");
    SPECS.iter().for_each(|(_, title)| text.push_str(&format!(" {title} |")));
    text.push_str("\n|---|---|---|---|\n");
    for (index, rung) in all.first().map(|first| &first.rungs).into_iter().flatten().enumerate() {
        let _ = write!(text, "| {} |", rung.rung);
        for reached in all {
            let _ = write!(text, " {} |", reached.rungs.get(index).map(cell).unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

/// "yes", or what the kernel showed instead.
fn cell(reach: &Reach) -> String {
    if reach.reached {
        return "yes".to_string();
    }
    let seen = reach
        .proofs
        .iter()
        .find(|tried| !tried.passed)
        .and_then(|tried| tried.lines.first())
        .cloned()
        .unwrap_or_default();
    let seen: String = seen.chars().take(120).collect();
    format!("no: {}", seen.replace('|', "\\|").replace('<', "&lt;").replace('`', "'"))
}

//! The table of a trial.

use std::fmt::Write;
use std::time::Duration;

/// What `need` answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is so already.
    Unchanged,
    /// Changes, and a proof that fewer are not enough.
    Smallest,
    /// Changes.
    Possible,
    /// A proof that there are none.
    Impossible,
    /// Neither.
    GaveUp,
}

impl Kind {
    /// Whether there are lines to confirm.
    pub fn is_possible(self) -> bool {
        matches!(self, Kind::Unchanged | Kind::Smallest | Kind::Possible)
    }
}

/// One symbol.
pub struct Row {
    /// Its name.
    pub name: String,
    /// The value that is wanted.
    pub wanted: String,
    /// The answer.
    pub kind: Kind,
    /// How it was found, or why not.
    pub detail: String,
    /// The lines to append.
    pub lines: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// How long `why` took for the same symbol.
    pub why: Duration,
    /// How the C tool contradicts.
    pub failure: Option<String>,
}

impl Row {
    /// Whether a configuration has it as wanted.
    pub fn is_in(&self, config: &str) -> bool {
        let start = format!("CONFIG_{}=", self.name);
        let value = config.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.map_or("n", |value| value.trim_matches('"'));
        value == self.wanted
    }
}

/// All of them.
pub struct Report {
    /// The tree and how the symbols were chosen.
    pub title: String,
    /// The symbols.
    pub rows: Vec<Row>,
    /// How many random configurations there were.
    pub random: u64,
}

impl Report {
    /// Whether every symbol has an answer, and none is contradicted.
    pub fn is_right(&self) -> bool {
        self.rows.iter().all(|row| row.failure.is_none() && row.kind != Kind::GaveUp)
    }

    fn count(&self, matches: impl Fn(&Row) -> bool) -> usize {
        self.rows.iter().filter(|row| matches(row)).count()
    }

    /// The table, then every failure.
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n", self.title);
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        line("answer", "symbols".into());
        line("---", "---:".into());
        line("no change needed", self.count(|row| row.kind == Kind::Unchanged).to_string());
        line("changes, proved to be the fewest", self.count(|row| row.kind == Kind::Smallest).to_string());
        line(
            "changes, not proved to be the fewest",
            self.count(|row| row.kind == Kind::Possible).to_string(),
        );
        line("impossible", self.count(|row| row.kind == Kind::Impossible).to_string());
        line("gave up", self.count(|row| row.kind == Kind::GaveUp).to_string());
        line("all", self.rows.len().to_string());
        let confirmed = self.count(|row| row.kind.is_possible() && row.failure.is_none());
        line("confirmed by conf --olddefconfig", confirmed.to_string());
        let refuted = self.count(|row| row.kind.is_possible() && row.failure.is_some());
        line("not confirmed", refuted.to_string());
        let contradicted = self.count(|row| row.kind == Kind::Impossible && row.failure.is_some());
        let others = format!("impossible, but so in one of {} configurations", self.random + 2);
        line(&others, contradicted.to_string());
        for (name, took) in
            [("an answer", (|row| row.took) as fn(&Row) -> Duration), ("`why`", |row| row.why)]
        {
            let mut times: Vec<Duration> = self.rows.iter().map(took).collect();
            times.sort_unstable();
            line(&format!("time of {name}, median"), milliseconds(times.get(times.len() / 2)));
            line("99 of 100 within", milliseconds(times.get(times.len() * 99 / 100)));
            line("longest", milliseconds(times.last()));
        }
        if let Some(memory) = peak_memory() {
            line("memory at most, the loaded tree included", format!("{memory} MB"));
        }
        text += "\nAnswers by how many lines a person sets:\n\n| lines | symbols |\n| --- | ---: |\n";
        let most = self.rows.iter().map(|row| row.lines.len()).max().unwrap_or(0);
        for lines in 1..=most {
            let _ = writeln!(text, "| {lines} | {} |", self.count(|row| row.lines.len() == lines));
        }
        let wrong: Vec<&Row> =
            self.rows.iter().filter(|row| row.failure.is_some() || row.kind == Kind::GaveUp).collect();
        if !wrong.is_empty() {
            text += "\nFailures:\n\n";
        }
        for row in wrong {
            let why = row.failure.as_deref().unwrap_or(&row.detail);
            let _ = writeln!(text, "- {}={}: {:?}: {why}", row.name, row.wanted, row.kind);
        }
        let mut slow: Vec<&Row> = self.rows.iter().collect();
        slow.sort_by_key(|row| std::cmp::Reverse(row.took));
        text += "\nThe longest:\n\n| symbol | answer | time | how |\n| --- | --- | ---: | --- |\n";
        for row in slow.into_iter().take(8) {
            let time = milliseconds(Some(&row.took));
            let _ = writeln!(text, "| {} | {:?} | {time} | {} |", row.name, row.kind, row.detail);
        }
        text
    }
}

/// The most memory this process had, megabytes (VmHWM of proc(5)).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1000)
}

fn milliseconds(time: Option<&Duration>) -> String {
    format!("{:.1} ms", time.copied().unwrap_or_default().as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, wanted: &str, failure: Option<&str>) -> Row {
        Row {
            name: "NET".into(),
            wanted: wanted.into(),
            kind,
            detail: "why".into(),
            lines: Vec::new(),
            took: Duration::from_millis(3),
            why: Duration::from_millis(1),
            failure: failure.map(String::from),
        }
    }

    #[test]
    fn a_configuration_has_a_symbol_by_its_line_or_has_it_off() {
        assert!(row(Kind::Smallest, "y", None).is_in("CONFIG_NET_NS=m\nCONFIG_NET=y\n"));
        assert!(!row(Kind::Smallest, "y", None).is_in("CONFIG_NET_NS=y\n# CONFIG_NET is not set\n"));
        assert!(row(Kind::Smallest, "n", None).is_in("# CONFIG_NET is not set\n"));
        assert!(row(Kind::Smallest, "n", None).is_in(""));
        assert!(row(Kind::Smallest, "a b", None).is_in("CONFIG_NET=\"a b\"\n"));
    }

    #[test]
    fn a_trial_fails_by_one_contradiction_or_one_missing_answer() {
        let report = |rows| Report { title: "t".into(), rows, random: 1 };
        assert!(report(vec![row(Kind::Smallest, "y", None), row(Kind::Impossible, "y", None)]).is_right());
        let wrong = report(vec![row(Kind::Impossible, "y", Some("allyesconfig has it"))]);
        assert!(!wrong.is_right());
        assert!(wrong.markdown().contains("- NET=y: Impossible: allyesconfig has it\n"));
        assert!(wrong.markdown().contains("| impossible, but so in one of 3 configurations | 1 |\n"));
        assert!(!report(vec![row(Kind::GaveUp, "y", None)]).is_right());
    }
}

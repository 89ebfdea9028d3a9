//! Every option asked for must be in the `.config` that came out. One that is not is an error that names
//! the option, where it was asked for, and what stands against it.

use base::{Error, Result};
use explain::{Resolved, Row, Weight};
use kconfig::{DotConfig, Model, Start, Value};

use crate::renamed;
use crate::rung::{Request, Requests};

/// How far a row of the reason is moved in for each level.
const STEP: usize = 2;

/// Compares what was asked for with what came out. `read` reads the kernel's Kconfig files, which only a dropped option takes;
/// it runs on a deep stack.
///
/// # Errors
/// [`base::Kind::Input`] for the first dropped option, naming the others too; what `read` says.
pub fn check(
    requests: &Requests,
    config: &DotConfig,
    read: impl FnOnce() -> Result<Model> + Send,
) -> Result<()> {
    let dropped: Vec<&Request> = requests.iter().filter(|it| !survived(it, config)).collect();
    let Some(first) = dropped.first() else { return Ok(()) };
    let name = &first.assignment.name;
    let message = match (&first.assignment.value, config.value(name)) {
        (Value::Yes, Value::No) => format!("CONFIG_{name} was asked for and did not survive"),
        (wanted, found) => format!("CONFIG_{name}={wanted} was asked for, and it came out as {found}"),
    };
    let mut error = Error::input(message).at(first.snippet.clone());
    let (lines, known) = kconfig::with_stack(|| Ok(reasons(requests, name, &read()?)))?;
    for line in lines {
        error = error.note(line);
    }
    if dropped.len() > 1 {
        let others: Vec<String> =
            dropped[1..].iter().map(|it| format!("{} ({})", it.assignment.name, it.origin)).collect();
        error = error.note(format!("dropped too: {}", others.join(", ")));
    }
    if known {
        let wanted = &first.assignment.value;
        error = error.hint(format!("allno config need {name}={wanted}   the smallest change that grants it"));
    }
    Err(error)
}

fn survived(request: &Request, config: &DotConfig) -> bool {
    match (&request.assignment.value, config.value(&request.assignment.name)) {
        // conf writes hexadecimal numbers in its own case and width.
        (Value::Number(wanted), Value::Number(found)) => number(wanted) == number(&found),
        // A text that is empty or an option that is off may be left out of the file.
        (Value::Text(wanted), Value::No) => wanted.is_empty(),
        (wanted, found) => *wanted == found,
    }
}

fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => i128::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Why `name` is not what was asked for, in lines, and whether any Kconfig file knows it.
fn reasons(requests: &Requests, name: &str, model: &Model) -> (Vec<String>, bool) {
    let mut resolved = Resolved::of_requests(model, Start::AllNo, requests.in_words());
    let id = match resolved.find(name) {
        Ok(id) => id,
        Err(unknown) => {
            let here = renamed::name_here(name, |other| model.find(other).is_some());
            let nearest = match (here, unknown.nearest.is_empty()) {
                (Some(here), _) => format!("in this series it is called {here}"),
                (None, true) => "it may have another name in this series".to_string(),
                (None, false) => format!("near it: {}", unknown.nearest.join(", ")),
            };
            return (vec![format!("no Kconfig file of this kernel defines it; {nearest}")], false);
        }
    };
    let why = resolved.why(id);
    let rows = why.rows();
    // What it is, and that it was asked for, the message has said.
    let asked = why.asked.map(|asked| asked.place);
    let told = |row: &&Row| row.weight != Weight::Head && Some(&row.place) != asked.as_ref();
    let rows: Vec<&Row> = rows.iter().filter(told).collect();
    let outermost = rows.iter().map(|row| row.depth).min().unwrap_or(0);
    let place = |row: &Row| format!("{:1$}{2}", "", (row.depth - outermost) * STEP, row.place);
    let width = rows.iter().map(|row| place(row).len()).max().unwrap_or(0);
    let line = |row: &&Row| match row.place.is_empty() {
        true => format!("{}{}", place(row), row.text),
        false => format!("{:width$}  {}", place(row), row.text),
    };
    (rows.iter().map(line).collect(), true)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kconfig::Dialect;

    use super::*;
    use crate::kconfig_host::{Environment, LiveHost};
    use crate::rung::Series;
    use crate::spec::{Place, SpecFile};

    fn requests(option: &str) -> Requests {
        let text = format!("[kernel]\nconfig = ['{option}']\n");
        let place = Place { path: "allno.toml".into(), text };
        let spec = SpecFile { spec: place.parse().unwrap(), folder: ".".into(), place };
        Requests::resolve(&[], Series(6, 12), &spec).unwrap()
    }

    /// Checks against a tree of these Kconfig files.
    fn check_in(tree: &Path, option: &str, config: &str) -> Error {
        let read = || {
            let host = LiveHost::new(tree, Environment::default(), &base::Cancel::new()).unwrap();
            Ok(kconfig::load("Kconfig", Dialect::NEWEST, &host).unwrap().model)
        };
        check(&requests(option), &DotConfig::parse(config), read).unwrap_err()
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("drivers/ata")).unwrap();
        let text = concat!(
            "menuconfig ATA\n\tbool \"ATA\"\n\nif ATA\nconfig SATA_AHCI\n\tbool \"AHCI\"\n\tdepends on PCI\n",
            "config SATA_HOST\n\tbool\nendif\nconfig USER\n\tbool \"user\"\n\tselect CHOSEN\n",
            "config CHOSEN\n\tbool \"chosen\"\nconfig PCI\n\tbool \"PCI\"\n",
            "config MITIGATION_RETPOLINE\n\tbool \"retpoline\"\n",
        );
        std::fs::write(tree.path().join("Kconfig"), "source \"drivers/ata/Kconfig\"\n").unwrap();
        std::fs::write(tree.path().join("drivers/ata/Kconfig"), text).unwrap();
        tree
    }

    #[test]
    fn a_dropped_option_says_what_its_dependencies_want() {
        let tree = tree();
        let error = check_in(tree.path(), "SATA_AHCI=y", "# CONFIG_ATA is not set\n");
        assert_eq!(error.message(), "CONFIG_SATA_AHCI was asked for and did not survive");
        assert_eq!(error.snippet().unwrap().line, 2);
        for wanted in [["drivers/ata/Kconfig:4", "if ATA"], ["drivers/ata/Kconfig:7", "depends on PCI"]] {
            let says = |note: &String| wanted.iter().all(|it| note.contains(it));
            assert!(error.notes().iter().any(says), "{wanted:?} not in {error}");
        }
        assert_eq!(error.hints().len(), 1);
        assert!(error.hints()[0].contains("need SATA_AHCI=y"), "{error}");
    }

    #[test]
    fn an_option_nobody_can_set_and_one_nobody_knows() {
        let tree = tree();
        let error = check_in(tree.path(), "SATA_HOST=y", "");
        assert!(error.to_string().contains("no prompt"), "{error}");
        let error = check_in(tree.path(), "NOSUCH=y", "");
        assert!(error.to_string().contains("no Kconfig file"), "{error}");
        let error = check_in(tree.path(), "RETPOLINE=y", "");
        assert!(error.to_string().contains("in this series it is called MITIGATION_RETPOLINE"), "{error}");
        let error = check_in(tree.path(), "SATA_AHCY=y", "");
        assert!(error.to_string().contains("SATA_AHCI"), "{error}");
    }

    #[test]
    fn what_survived_is_no_error() {
        let config = DotConfig::parse("CONFIG_A=y\nCONFIG_B=0x1F\n");
        for option in ["A=y", "B=0x1f", "C=n", "D=\"\""] {
            check(&requests(option), &config, || unreachable!("nothing was dropped")).unwrap();
        }
    }
}

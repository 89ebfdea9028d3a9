//! Every option asked for must be in the `.config` that came out. One that is not is an error that names
//! the option, where it was asked for, and what its dependencies want.

use std::path::{Path, PathBuf};

use base::{Error, Result};
use kconfig::{Definition, DotConfig, Value, definitions_in, symbols_of};

use crate::rung::{Request, Requests};

/// Compares what was asked for with what came out.
///
/// # Errors
/// [`base::Kind::Input`] for the first dropped option, naming the others too.
pub fn check(requests: &Requests, config: &DotConfig, tree: &Path) -> Result<()> {
    let dropped: Vec<&Request> = requests.iter().filter(|it| !survived(it, config)).collect();
    let Some(first) = dropped.first() else { return Ok(()) };
    let mut error = explain(first, config, tree);
    if dropped.len() > 1 {
        let others: Vec<String> =
            dropped[1..].iter().map(|it| format!("{} ({})", it.assignment.name, it.origin)).collect();
        error = error.note(format!("dropped too: {}", others.join(", ")));
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

fn explain(request: &Request, config: &DotConfig, tree: &Path) -> Error {
    let name = &request.assignment.name;
    let found = config.value(name);
    let message = match (&request.assignment.value, &found) {
        (Value::Yes, Value::No) => format!("CONFIG_{name} was asked for and did not survive"),
        (wanted, found) => format!("CONFIG_{name}={wanted} was asked for, and it came out as {found}"),
    };
    let mut error = Error::input(message).at(request.snippet.clone());
    let files = kconfig_files(tree);
    let definitions = find(name, &files);
    if definitions.is_empty() {
        return error
            .note("no Kconfig file of this kernel defines it: it may have another name in this series");
    }
    if request.assignment.value == Value::No {
        return blame_selectors(error, name, &files, config, tree);
    }
    let mut off = Vec::new();
    for (path, definition) in &definitions {
        let place = path.strip_prefix(tree).unwrap_or(path).display();
        if !definition.has_prompt {
            error = error.note(format!(
                "{place}:{} has no prompt: nobody can set it, other options select it",
                definition.line
            ));
        }
        for demand in &definition.demands {
            let values: Vec<String> = symbols_of(&demand.expression)
                .into_iter()
                .filter(|symbol| config.value(symbol) == Value::No)
                .inspect(|symbol| {
                    if !off.contains(symbol) {
                        off.push(symbol.clone())
                    }
                })
                .map(|symbol| format!("{symbol} is n"))
                .collect();
            let verdict = if values.is_empty() { "holds".to_string() } else { values.join(", ") };
            error =
                error.note(format!("{place}:{}  depends on {}   {verdict}", demand.line, demand.expression));
        }
    }
    if !off.is_empty() {
        let lines: Vec<String> = off.iter().map(|symbol| format!("\"{symbol}=y\"")).collect();
        error = error.hint(format!("add what it depends on to [kernel] config, of: {}", lines.join(", ")));
    }
    error
}

/// An option asked to be off and on all the same: some other option selects it, or it has no prompt.
fn blame_selectors(
    mut error: Error,
    name: &str,
    files: &[PathBuf],
    config: &DotConfig,
    tree: &Path,
) -> Error {
    let mut count = 0;
    for path in files {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let mut entry = "";
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("config" | "menuconfig"), Some(option)) => entry = option,
                (Some("select"), Some(option))
                    if option == name && config.value(entry) != Value::No && count < 5 =>
                {
                    let place = path.strip_prefix(tree).unwrap_or(path).display();
                    error = error.note(format!(
                        "{place}:{}  {entry}={} selects it",
                        index + 1,
                        config.value(entry)
                    ));
                    count += 1;
                }
                _ => {}
            }
        }
    }
    if count == 0 {
        error =
            error.note("it has no prompt while its dependencies hold, or its default is y without EXPERT");
    }
    error
}

fn find(name: &str, files: &[PathBuf]) -> Vec<(PathBuf, Definition)> {
    let mut found = Vec::new();
    for path in files {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        if text.contains(name) {
            found.extend(definitions_in(&text, name).into_iter().map(|it| (path.clone(), it)));
        }
    }
    found
}

/// Every Kconfig file that an x86 kernel can read, sorted.
fn kconfig_files(tree: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![tree.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Ok(kind) = entry.file_type() else { continue };
            let foreign = folder.ends_with("arch") && name != "x86";
            let skipped = ["Documentation", "tools", ".git", "scripts"].contains(&name.as_str());
            if kind.is_dir() && !foreign && !skipped {
                folders.push(path);
            } else if kind.is_file() && name.starts_with("Kconfig") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rung::Series;
    use crate::spec::{Place, SpecFile};

    fn requests(option: &str) -> Requests {
        let text = format!("[kernel]\nconfig = ['{option}']\n");
        let place = Place { path: "allno.toml".into(), text };
        let spec = SpecFile { spec: place.parse().unwrap(), folder: ".".into(), place };
        Requests::resolve(&[], Series(6, 12), &spec).unwrap()
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("drivers/ata")).unwrap();
        let text = concat!(
            "menuconfig ATA\n\tbool \"ATA\"\n\nif ATA\nconfig SATA_AHCI\n\tbool \"AHCI\"\n\tdepends on PCI\n",
            "config SATA_HOST\n\tbool\nendif\nconfig USER\n\tbool \"user\"\n\tselect CHOSEN\n",
            "config CHOSEN\n\tbool \"chosen\"\n",
        );
        std::fs::write(tree.path().join("drivers/ata/Kconfig"), text).unwrap();
        tree
    }

    #[test]
    fn a_dropped_option_says_what_its_dependencies_want() {
        let tree = tree();
        let config = DotConfig::parse("CONFIG_PCI=y\n# CONFIG_ATA is not set\n");
        let error = check(&requests("SATA_AHCI=y"), &config, tree.path()).unwrap_err();
        assert_eq!(error.message(), "CONFIG_SATA_AHCI was asked for and did not survive");
        assert_eq!(error.snippet().unwrap().line, 2);
        assert!(
            error.notes().contains(&"drivers/ata/Kconfig:4  depends on ATA   ATA is n".to_string()),
            "{error}"
        );
        assert!(
            error.notes().contains(&"drivers/ata/Kconfig:7  depends on PCI   holds".to_string()),
            "{error}"
        );
        assert!(error.hints()[0].contains("\"ATA=y\""));
    }

    #[test]
    fn an_option_nobody_can_set_and_one_nobody_knows() {
        let tree = tree();
        let config = DotConfig::parse("");
        let error = check(&requests("SATA_HOST=y"), &config, tree.path()).unwrap_err();
        assert!(error.to_string().contains("no prompt"), "{error}");
        let error = check(&requests("NOSUCH=y"), &config, tree.path()).unwrap_err();
        assert!(error.to_string().contains("no Kconfig file"), "{error}");
    }

    #[test]
    fn an_option_that_came_back_on_names_who_selects_it() {
        let tree = tree();
        let config = DotConfig::parse("CONFIG_USER=y\nCONFIG_CHOSEN=y\n");
        let error = check(&requests("CHOSEN=n"), &config, tree.path()).unwrap_err();
        assert!(error.to_string().contains("USER=y selects it"), "{error}");
    }

    #[test]
    fn what_survived_is_no_error() {
        let config = DotConfig::parse("CONFIG_A=y\nCONFIG_B=0x1F\n");
        let nowhere = Path::new("/nonexistent");
        for option in ["A=y", "B=0x1f", "C=n", "D=\"\""] {
            check(&requests(option), &config, nowhere).unwrap();
        }
    }
}

//! Names as people type them, and the known ones nearest to a name nobody knows.

use kconfig::{Model, SymbolId};

/// How many names are offered.
const OFFERED: usize = 5;

/// A name that stands in no Kconfig file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name as it was typed.
    pub name: String,
    /// The nearest known ones, the nearest first; may be empty.
    pub nearest: Vec<String>,
}

/// The symbol a person means: `CONFIG_` in front, a value behind, and lower case are forgiven.
pub(crate) fn find(model: &Model, typed: &str) -> Result<SymbolId, Unknown> {
    let name = typed.trim().split('=').next().unwrap_or_default();
    let name = name.strip_prefix("CONFIG_").or_else(|| name.strip_prefix("config_")).unwrap_or(name);
    let defined = |name: &str| model.find(name).filter(|&id| !model.symbol(id).menus.is_empty());
    let upper = name.to_uppercase();
    defined(name)
        .or_else(|| defined(&upper))
        .ok_or_else(|| Unknown { name: name.to_string(), nearest: nearest(model, &upper) })
}

/// The nearest names: those a slip of the finger away, then those that hold the word.
pub(crate) fn nearest(model: &Model, name: &str) -> Vec<String> {
    if name.is_empty() {
        return Vec::new();
    }
    let limit = (name.len() / 4).clamp(1, 3);
    let word = name.replace('_', "");
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for (_, symbol) in model.symbols() {
        let Some(known) = symbol.name.as_deref().filter(|_| !symbol.menus.is_empty()) else { continue };
        let close = known.len().abs_diff(name.len()) <= limit;
        let distance = if close { distance(name, known) } else { usize::MAX };
        if distance <= limit {
            found.push((distance, known.len(), known));
        } else if word.len() > 2 && known.split('_').any(|part| part == name) {
            found.push((limit + 1, known.len(), known));
        } else if word.len() > 2 && (known.contains(name) || known.replace('_', "") == word) {
            found.push((limit + 2, known.len(), known));
        }
    }
    found.sort_unstable();
    found.into_iter().take(OFFERED).map(|(_, _, known)| known.to_string()).collect()
}

/// How many slips of the finger lie between two words: letters put in, left out, replaced, or swapped with a neighbour (optimal
/// string alignment).
pub fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let differs = usize::from(left[i - 1] != right[j - 1]);
            row[j] = (last[j - 1] + differs).min(last[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn distances_count_slips() {
        assert_eq!(distance("E1000", "E1000"), 0);
        assert_eq!(distance("E1000", "E100"), 1);
        assert_eq!(distance("VIRTOI", "VIRTIO"), 1);
        assert_eq!(distance("hostanme", "hostname"), 1);
        assert_eq!(distance("", "PCI"), 3);
    }

    #[test]
    fn typing_is_forgiven_and_slips_are_named() {
        let model = fixture::model(concat!(
            "config SATA_AHCI\n\tbool \"a\"\nconfig SATA_HOST\n\tbool\nconfig E1000\n\tbool \"e\"\n",
            "config AHCI_DM816\n\tbool\nconfig USER\n\tbool \"u\"\n\tdepends on NOWHERE\n"
        ));
        for typed in ["SATA_AHCI", "CONFIG_SATA_AHCI", "sata_ahci", "config_sata_ahci", "SATA_AHCI=y"] {
            let id = find(&model, typed).unwrap();
            assert_eq!(model.name(id), "SATA_AHCI");
        }
        let nearest = |typed: &str| find(&model, typed).unwrap_err().nearest;
        assert_eq!(nearest("SATA_AHIC"), ["SATA_AHCI"]);
        assert_eq!(nearest("e100"), ["E1000"]);
        assert_eq!(nearest("ahci"), ["SATA_AHCI", "AHCI_DM816"]);
        assert_eq!(nearest("SATAHOST"), ["SATA_HOST"]);
        // Used, but defined nowhere.
        assert_eq!(find(&model, "NOWHERE").unwrap_err().name, "NOWHERE");
        assert!(nearest("").is_empty() && nearest("=").is_empty());
    }
}

//! What is compiled again, by the option that causes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Changed;
use super::cause::{Root, Way};

/// Objects and words that a line names.
const NAMED: usize = 3;

/// The objects that are compiled again, by cause. An object with several causes stands under each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// How many objects are compiled.
    pub objects: usize,
    /// How many symbols have another value.
    pub symbols: usize,
    /// By option, the one with the most objects first.
    pub options: Vec<Group>,
    /// By what is no option.
    pub others: Vec<Group>,
}

/// What one cause makes compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The option without CONFIG_; of what is no option, what it is.
    pub cause: String,
    /// The option's value before; null for what is no option.
    pub from: Option<String>,
    /// Its value after.
    pub to: Option<String>,
    /// How many of the objects have no other cause.
    pub alone: usize,
    /// How the cause reaches them, and how many: "reads it", "new", "through include/generated/bounds.h", "flag +-fno-inline".
    pub ways: BTreeMap<String, usize>,
    /// The objects, by name.
    pub objects: Vec<String>,
}

impl Rebuilt {
    /// Groups objects, each with its causes.
    pub fn new(causes: &BTreeMap<String, BTreeSet<(Root, Way)>>, changed: &[Changed]) -> Rebuilt {
        let mut groups: BTreeMap<&Root, Group> = BTreeMap::new();
        for (object, found) in causes {
            let roots: BTreeSet<&Root> = found.iter().map(|(root, _)| root).collect();
            for root in &roots {
                let group = groups.entry(root).or_insert_with(|| empty(root, changed));
                group.alone += usize::from(roots.len() == 1);
                group.objects.push(object.clone());
            }
            for (root, way) in found {
                if let Some(group) = groups.get_mut(root) {
                    *group.ways.entry(way.words()).or_default() += 1;
                }
            }
        }
        let mut rebuilt = Rebuilt { objects: causes.len(), symbols: changed.len(), ..Rebuilt::default() };
        for (root, group) in groups {
            let is_option = matches!(root, Root::Option(_));
            if is_option { &mut rebuilt.options } else { &mut rebuilt.others }.push(group);
        }
        for list in [&mut rebuilt.options, &mut rebuilt.others] {
            list.sort_by_key(|group| {
                (std::cmp::Reverse(group.objects.len()), std::cmp::Reverse(group.alone))
            });
        }
        rebuilt
    }

    /// The answer for a person: what stands left, and what is to be said of it.
    pub fn rows(&self) -> Vec<(String, String)> {
        self.options.iter().chain(&self.others).map(|group| (group.title(), group.words())).collect()
    }
}

fn empty(root: &Root, changed: &[Changed]) -> Group {
    let (cause, change) = match root {
        Root::Option(name) => (name.clone(), changed.iter().find(|it| it.symbol == *name)),
        Root::Link => ("linking".to_string(), None),
        Root::File(path) => (path.clone(), None),
        Root::Command => ("another command".to_string(), None),
        Root::New => ("not made before".to_string(), None),
    };
    Group {
        cause,
        from: change.map(|it| shown(&it.from)),
        to: change.map(|it| shown(&it.to)),
        alone: 0,
        ways: BTreeMap::new(),
        objects: Vec::new(),
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "n".to_string() } else { value.to_string() }
}

impl Way {
    fn words(&self) -> String {
        match self {
            Way::Reads => "reads it".to_string(),
            Way::Through(file) => format!("through {file}"),
            Way::Flags(words) => format!("flag {words}"),
            Way::New => "new".to_string(),
            Way::Itself => "itself".to_string(),
        }
    }
}

impl Group {
    /// "SMP n → y"
    pub fn title(&self) -> String {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{} {from} → {to}", self.cause),
            _ => self.cause.clone(),
        }
    }

    /// "412 objects, 380 by it alone: 400 read it, 12 new (kernel/sched/core.o, …)"
    pub fn words(&self) -> String {
        let count = match self.objects.len() {
            1 => "1 object".to_string(),
            count => format!("{count} objects"),
        };
        let alone = match self.alone {
            all if all == self.objects.len() => String::new(),
            alone => format!(", {alone} by it alone"),
        };
        let mut ways: Vec<_> = self.ways.iter().filter(|(way, _)| *way != "itself").collect();
        ways.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = ways.len().saturating_sub(NAMED);
        let mut listed: Vec<String> =
            ways.iter().take(NAMED).map(|(way, count)| format!("{count} {way}")).collect();
        if more > 0 {
            listed.push(format!("{more} other ways"));
        }
        let ways = if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) };
        let rest = if self.objects.len() > NAMED { ", …" } else { "" };
        let names: Vec<&str> = self.objects.iter().take(NAMED).map(String::as_str).collect();
        format!("{count}{alone}{ways} ({}{rest})", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stands_under_each_of_its_causes() {
        let option = |name: &str| Root::Option(name.to_string());
        let causes: BTreeMap<String, BTreeSet<(Root, Way)>> = [
            ("a.o".to_string(), [(option("SMP"), Way::Reads), (option("NET"), Way::Reads)].into()),
            ("b.o".to_string(), [(option("SMP"), Way::Reads)].into()),
            ("c.o".to_string(), [(Root::Link, Way::Itself)].into()),
        ]
        .into();
        let changed = [Changed { symbol: "SMP".into(), from: String::new(), to: "y".into() }];
        let rebuilt = Rebuilt::new(&causes, &changed);
        assert_eq!(rebuilt.objects, 3);
        let rows = rebuilt.rows();
        assert_eq!(rows[0], ("SMP n → y".into(), "2 objects, 1 by it alone: 2 reads it (a.o, b.o)".into()));
        assert_eq!(rows[1], ("NET".into(), "1 object, 0 by it alone: 1 reads it (a.o)".into()));
        assert_eq!(rows[2], ("linking".into(), "1 object (c.o)".into()));
    }
}

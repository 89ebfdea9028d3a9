//! The commands that kbuild keeps beside what it makes (kernel: cmd_and_fixdep of scripts/Kbuild.include).

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::Path;

use super::cause::Commands;
use super::log::Made;

/// Longer lines are no commands of kbuild's.
const LONGEST: u64 = 1 << 20;

/// The command by which `target` was made, as the file `.target.cmd` of the object tree has it; none without one.
pub fn kept(objects: &Path, target: &str) -> Option<String> {
    let (folder, name) = target.rsplit_once('/').unwrap_or((".", target));
    let path = objects.join(folder).join(format!(".{name}.cmd"));
    // The dependencies below are long, and nobody wants them here.
    let mut line = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    std::io::BufReader::new(file.take(LONGEST)).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(&line);
    // "savedcmd_" since 6.2, "cmd_" before.
    let (name, command) = line.trim_end().split_once(" := ")?;
    name.ends_with(target).then(|| command.to_string())
}

/// The commands of all objects of an object tree.
pub fn all(objects: &Path) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(objects.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let below = |name: &str| if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                folders.push(below(&name));
            } else if let Some(object) = name.strip_prefix('.').and_then(|it| it.strip_suffix(".cmd"))
                && object.ends_with(".o")
            {
                let target = below(object);
                found.extend(kept(objects, &target).map(|command| (target, command)));
            }
        }
    }
    found
}

/// Both commands of what was made: those of `before`, and those that the shell of the sketch wrote down.
pub fn of_sketch(before: &Path, sketch: &Path, made: &[Made]) -> Commands {
    let pairs = made.iter().filter_map(|it| {
        let (folder, name) = it.target.rsplit_once('/').unwrap_or((".", &it.target));
        let recipe = std::fs::read(sketch.join(folder).join(format!(".{name}.allno"))).ok()?;
        let new = of_recipe(&String::from_utf8_lossy(&recipe))?;
        Some((it.target.clone(), (kept(before, &it.target)?, new)))
    });
    pairs.collect()
}

/// The command that a recipe would keep: the last quoted word before it writes the record.
fn of_recipe(recipe: &str) -> Option<String> {
    let after = recipe.split_once("scripts/basic/fixdep ").map(|(_, after)| after)?;
    let start = after.find('\'')? + 1;
    let end = after.rfind("' > ")?;
    // kbuild's escsq.
    Some(after.get(start..end)?.replace("'\\''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("init")).unwrap();
        let record = "savedcmd_init/main.o := gcc -DA='\"x\"' -c -o init/main.o main.c\n\nsource_init/main.o := main.c\n";
        std::fs::write(folder.path().join("init/.main.o.cmd"), record).unwrap();
        let old = kept(folder.path(), "init/main.o").unwrap();
        let recipe = "set -e; echo '  CC      init/main.o'; gcc -c; scripts/basic/fixdep init/.main.o.d init/main.o \
                      'gcc -DA='\\''\"x\"'\\'' -c -o init/main.o main.c' > init/.main.o.cmd; rm -f init/.main.o.d";
        assert_eq!(of_recipe(recipe), Some(old));
        assert_eq!(kept(folder.path(), "init/other.o"), None);
        assert_eq!(of_recipe("scripts/basic/fixdep"), None);
    }
}

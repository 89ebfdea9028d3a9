//! `allno config cost` before the build it speaks of: the objects it names are those the build compiles, there and back.
//! docs/cost-trial.md has many more options.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::{Project, TINY, path, tiny, usual_store};
use serde_json::Value;

/// In the version of this test's kernels: nobody else builds them.
const OWN: &str = "of-the-cost-test";

/// The spec of a small kernel with more options.
fn ask_for(project: &Project, options: &[&str]) {
    let lines: Vec<String> = options.iter().map(|option| format!(", \"{option}\"")).collect();
    let config = format!("[kernel]\nconfig = ['LOCALVERSION=\"-{OWN}\"'{}]\n", lines.concat());
    project.write("allno.toml", &TINY.replacen("[kernel]\n", &config, 1));
}

/// Builds it, and once more where an earlier run of this test has left it in the store. (A version of its own for each run would
/// be simpler, but no compiler cache knows an object again when any option's text is another.)
fn built_anew(project: &Project) -> Value {
    let build = || project.allno(&["build", "--json"]).run().ok().json();
    let built = build();
    if !built["rebuilt"].is_null() {
        return built;
    }
    let kernel = path(&built, "kernel");
    let artifact = kernel.ancestors().nth(2).unwrap();
    let out_of_the_way = usual_store().join("scratch").join(artifact.file_name().unwrap());
    std::fs::rename(artifact, &out_of_the_way).unwrap();
    std::fs::remove_dir_all(out_of_the_way).unwrap();
    build()
}

/// The objects of what was, or would be, compiled again.
fn objects(rebuilt: &Value) -> BTreeSet<String> {
    let groups =
        ["options", "others"].map(|list| rebuilt[list].as_array().unwrap_or_else(|| panic!("{rebuilt}")));
    let objects = groups.into_iter().flatten().flat_map(|group| group["objects"].as_array().unwrap());
    let objects: BTreeSet<String> = objects.map(|it| it.as_str().unwrap().to_string()).collect();
    assert_eq!(objects.len() as u64, rebuilt["objects"].as_u64().unwrap());
    objects
}

fn causes(rebuilt: &Value) -> Vec<&str> {
    rebuilt["options"].as_array().unwrap().iter().map(|group| group["cause"].as_str().unwrap()).collect()
}

/// The folder of the object tree in which this test's kernel was built last.
fn workspace() -> PathBuf {
    let all = std::fs::read_dir(usual_store().join("workspaces")).unwrap().map(|it| it.unwrap().path());
    let mut own = all.filter(|folder| {
        let config = std::fs::read_to_string(folder.join("tree/.config")).unwrap_or_default();
        config.contains(&format!("CONFIG_LOCALVERSION=\"-{OWN}\""))
    });
    own.next().expect("an object tree holds this test's kernel")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.flat_map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files_below(&entry.path()),
        false => vec![entry.path()],
    });
    files.collect()
}

/// Every file of it, with its time.
fn times() -> Vec<(PathBuf, SystemTime)> {
    let time = |path: &PathBuf| std::fs::symlink_metadata(path).unwrap().modified().unwrap();
    let mut found: Vec<_> =
        files_below(&workspace()).into_iter().map(|path| (path.clone(), time(&path))).collect();
    found.sort();
    found
}

/// Has the next build of a release compile every object of the kernel, whatever was built in its tree before: one that stayed from
/// another configuration would not be in the compiler cache under this one, and a later run, which comes from yet another, would have to
/// compile it then.
fn remove_objects_of_releases() {
    // There is none where nothing was built yet.
    let Ok(folders) = std::fs::read_dir(usual_store().join("workspaces")) else { return };
    for folder in folders.map(Result::unwrap) {
        // linux-VERSION-DIGEST-LAYOUT; the ladder's and patched trees have a word more.
        let name = folder.file_name().into_string().unwrap();
        if name.starts_with("linux-6.12.") && name.matches('-').count() == 3 {
            remove_objects(&folder.path().join("tree"));
        }
    }
}

fn remove_objects(tree: &Path) {
    for path in files_below(tree) {
        // Programs of the build run on the host, as before.
        let mut parts = path.strip_prefix(tree).unwrap().iter();
        let of_the_host = parts.any(|part| ["scripts", "tools"].map(OsStr::new).contains(&part));
        if !of_the_host && path.extension() == Some(OsStr::new("o")) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn what_it_predicts_is_what_the_build_compiles() {
    let project = tiny();
    ask_for(&project, &[]);
    remove_objects_of_releases();
    built_anew(&project);
    let mut asked: Vec<String> = Vec::new();
    for change in ["SIGNALFD=y", "EPOLL=y", "SIGNALFD=n"] {
        let before = times();
        let cost = project.allno(&["config", "cost", change, "--json"]).run().ok().json();
        assert!(before == times(), "cost has touched the objects of the last build");
        assert_eq!(cost["up_to_date"], true, "{cost}");
        let name = change.split('=').next().unwrap();
        asked.retain(|option| !option.starts_with(&format!("{name}=")));
        asked.push(change.to_string());
        let options: Vec<&str> = asked.iter().map(String::as_str).collect();
        ask_for(&project, &options);
        let built = built_anew(&project);
        let (predicted, compiled) = (objects(&cost["rebuilt"]), objects(&built["rebuilt"]));
        assert!(!compiled.is_empty(), "{change}: nothing was compiled");
        assert_eq!(predicted, compiled, "{change}");
        assert_eq!(causes(&cost["rebuilt"]), causes(&built["rebuilt"]), "{change}");
        if name == "SIGNALFD" {
            assert!(causes(&built["rebuilt"]).contains(&"SIGNALFD"), "{}", built["rebuilt"]);
            let moved = if change == "SIGNALFD=y" { "appearing" } else { "vanishing" };
            let moved = cost[moved].as_array().unwrap();
            assert!(moved.iter().any(|part| part["object"] == "fs/signalfd.o"), "{cost}");
        }
    }
    // The same for a person, and after a build that was broken off: its objects are gone, the kernel is in the store.
    std::fs::write(workspace().join("in-use"), "").unwrap();
    let said = project.allno(&["config", "cost", "SIGNALFD"]).run().ok().stdout();
    assert!(said.contains("fs/signalfd.o") && said.contains("SIGNALFD n → y"), "{said}");
}

#[test]
fn a_name_that_is_no_option_is_refused() {
    let project = Project::new("");
    let run = project.allno(&["config", "cost", "SIGNALF", "--json"]).run();
    assert_eq!(run.code(), 2, "{}", run.stderr());
    assert_eq!(run.json()["error"]["kind"], "input");
}

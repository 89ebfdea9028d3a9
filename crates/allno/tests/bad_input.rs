//! What a person types wrong, and what this host lacks: each error says what, where, why and what next. None of these
//! tests builds anything.

mod common;

use common::{Allno, Project};

/// The exit code and what was said, for `allno build` on this spec.
fn build(spec: &str) -> (i32, String) {
    let run = Project::new(spec).allno(&["build"]).run();
    (run.code(), run.stderr())
}

fn refused(spec: &str, wanted: &[&str]) {
    let (code, text) = build(spec);
    assert_eq!(code, 2, "{text}");
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
}

#[test]
fn an_unknown_key_names_the_line_and_the_nearest_key() {
    refused(
        "[kernel]\nseries = \"6.12\"\nrung = [\"net\"]\n",
        &["unknown key `rung`", "allno.toml:3", "rungs"],
    );
    refused("[[expect]]\nconsole = \"x\"\nprnts = \"y\"\n", &["allno.toml:3", "prints"]);
    refused("[netwrok]\n", &["netwrok", "allno.toml:1", "network"]);
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    refused("[kernel]\nseries = 6.12\n", &["expected a string", "allno.toml:2"]);
    refused("[machine]\nmemory = \"much\"\n", &["256M", "allno.toml:2"]);
    refused("[[file]]\nto = \"/a\"\ntext = \"\"\nmode = \"rwx\"\n", &["0644", "allno.toml:4"]);
}

#[test]
fn names_that_do_not_exist_are_answered_with_those_that_do() {
    refused("[kernel]\nseries = \"5.6\"\n", &["5.6", "6.12", "allno.toml:2"]);
    refused("[kernel]\nrungs = [\"consol\"]\n", &["consol", "console"]);
    refused("[userland]\nrecipes = [\"busybx\"]\n", &["busybx", "busybox", "allno.toml:2"]);
    refused("[machine]\nname = \"q53\"\n", &["q53", "q35", "allno.toml:2"]);
}

#[test]
fn a_missing_file_is_named_with_its_line() {
    refused("[kernel]\npath = \"../no-such-tree\"\n", &["no-such-tree", "allno.toml:2"]);
    refused("[initramfs]\ninit = \"no-init\"\n", &["no-init", "allno.toml:2"]);
    refused("[[file]]\nto = \"/a\"\nfrom = \"no-file\"\n", &["no-file", "allno.toml:3"]);
    refused("[kernel]\npatches = [\"no.patch\"]\n", &["no.patch", "allno.toml:2"]);
}

/// A device that never ends is no file to read.
#[test]
fn what_is_not_a_file_is_refused() {
    for spec in [
        "[initramfs]\ninit = \"/dev/zero\"\n",
        "[[file]]\nfrom = \"/dev/zero\"\nto = \"/a\"\n",
        "[kernel]\npatches = [\"/dev/zero\"]\n",
        "[kernel]\npath = \"/dev/zero\"\n",
        "[accounts]\nauthorized_keys = [\"/dev/zero\"]\n",
    ] {
        refused(spec, &["/dev/zero is neither a regular file nor a folder", "allno.toml:2"]);
    }
    refused("[initramfs]\ninit = \".\"\n", &["is a folder", "allno.toml:2"]);
    refused("[userland]\nrecipes = [\"./folder.toml\"]\n", &["folder.toml", "allno.toml:2"]);
}

#[test]
fn what_the_kernel_would_swallow_is_refused() {
    refused("[network]\naddress = \"10.0.2.15\"\n", &["10.0.2.15/24", "allno.toml:2"]);
    refused(
        "[network]\naddress = \"10.0.2.15/24\"\ngateway = \"10.0.9.1\"\n",
        &["10.0.9.1", "default route", "allno.toml:3"],
    );
    refused("[network]\nhostname = \"a.b\"\n", &["a.b", "allno.toml:2"]);
}

#[test]
fn a_module_is_refused_with_its_reason() {
    refused("[kernel]\nconfig = [\"E1000=m\"]\n", &["loadable module", "E1000=y", "allno.toml:2"]);
}

#[test]
fn a_private_key_is_not_taken_for_a_public_one() {
    let project = Project::new("[accounts]\nauthorized_keys = [\"id\"]\n");
    project.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    let run = project.allno(&["build"]).run();
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("public key"), "{}", run.stderr());
}

#[test]
fn a_spec_that_is_not_there_is_the_users_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let run = Allno::new(folder.path(), &["build", "no-such.toml"]).run();
    assert_eq!(run.code(), 2, "{}", run.stderr());
    assert!(run.stderr().contains("no-such.toml"));
}

#[test]
fn errors_are_json_when_asked() {
    let run = Project::new("[kernel]\nsries = \"6.12\"\n").allno(&["build", "--json"]).run();
    assert_eq!(run.code(), 2);
    let error = &run.json()["error"];
    assert_eq!(error["kind"], "input");
    assert_eq!(error["line"], 2);
}

#[test]
fn offline_with_an_empty_store_says_what_is_missing() {
    let store = tempfile::tempdir().unwrap();
    let run = Project::new("").allno(&["build", "--offline"]).store(store.path()).run();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    assert!(run.stderr().contains("offline"), "{}", run.stderr());
}

/// Nothing listens on port 9 of loopback, which plays upstream and the Debian mirror of this machine: every origin of every
/// source is named with what it said, and nothing is kept.
#[test]
fn no_network_names_every_origin_and_what_it_said() {
    let store = tempfile::tempdir().unwrap();
    let project = Project::new("[sources]\nmirror = \"http://127.0.0.1:9\"\n");
    let apt = without_mirrors(&project);
    let mut command = project.allno(&["build", "--json"]).store(store.path()).env("APT_CONFIG", apt);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.command().env_remove(proxy);
    }
    let run = command.run();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let error = run.json()["error"].clone();
    assert_eq!(error["message"], "5 of 5 sources cannot be had");
    let notes: Vec<&str> =
        error["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    for recipe in ["linux-6.12", "musl", "busybox", "openssh", "iputils"] {
        let origins = origins(recipe);
        assert!(origins.len() > 1, "{recipe}: {origins:?}");
        for origin in origins {
            let said = notes.iter().find(|note| note.contains(&origin));
            let said = said.unwrap_or_else(|| panic!("no {origin} in {notes:#?}"));
            assert!(said.contains("connection refused") || said.contains("does not offer"), "{said}");
        }
    }
    assert!(error["hints"][0].as_str().unwrap().contains("network"), "{error}");
    for folder in ["sources", "partial", "artifacts"] {
        assert_eq!(std::fs::read_dir(store.path().join(folder)).unwrap().count(), 0, "{folder}");
    }
    assert!(!project.path().join("allno.lock").exists());
    assert_eq!(project.allno(&["gc", "--verify"]).store(store.path()).run().code(), 0);
}

/// An apt configuration (apt.conf(5)) whose only mirror is not there, with nothing of this machine's in it.
fn without_mirrors(project: &Project) -> std::path::PathBuf {
    let place = |name: &str| project.path().join(name).display().to_string();
    project.write("sources.list", "deb http://127.0.0.1:9/debian stable main\n");
    let settings = [
        ("Dir::Etc::Main", "/dev/null".to_string()),
        ("Dir::Etc::Parts", "/dev/null".to_string()),
        ("Dir::Etc::SourceList", place("sources.list")),
        ("Dir::Etc::SourceParts", "/dev/null".to_string()),
        ("Dir::State::Lists", place("lists")),
        ("Dir::Cache", place("cache")),
    ];
    let lines: Vec<String> = settings.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect();
    project.write("apt.conf", &lines.concat());
    project.path().join("apt.conf")
}

/// Addresses, path in the pool, and package, as the recipe has them.
fn origins(recipe: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../recipes/{recipe}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let head = text.split("[build]").next().unwrap();
    let values = head
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    let origin = |value: &&str| {
        let address = value.starts_with("https://") && !value.contains("VERSION");
        address || value.starts_with("pool/") || value.starts_with("linux-source-")
    };
    values.filter(origin).map(String::from).collect()
}

/// A missing compiler is the host's lack, with the doctor's line.
#[test]
fn a_missing_tool_exits_3_and_names_the_doctor() {
    let path = empty_path();
    let store = tempfile::tempdir().unwrap();
    let run = Project::new("").allno(&["build"]).store(store.path()).env("PATH", path.path()).run();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let text = run.stderr();
    assert!(text.contains("gcc") && text.contains("doctor"), "{text}");
}

/// Nobody without sudo can install anything: what is missing, and the line to type, which needs no sudo.
#[test]
fn an_ordinary_user_without_sudo_is_told_what_to_type() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    // Another user may not reach the folder that cargo built in.
    let folder = empty_path();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let binary = folder.path().join("allno");
    std::fs::copy(env!("CARGO_BIN_EXE_allno"), &binary).unwrap();
    let mut doctor = Allno::of(&binary, folder.path(), &["doctor", "--install"])
        .env("HOME", folder.path())
        .env("PATH", folder.path());
    if rustix::process::geteuid().is_root() {
        doctor.command().uid(65534).gid(65534);
    }
    let run = doctor.run();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let text = run.stderr();
    for wanted in ["no sudo", "flex is missing", "try  su - -c '"] {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
}

/// A PATH with nothing but a shell and ssh-keygen in it.
fn empty_path() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in ["sh", "ssh-keygen"] {
        let real = ["/bin", "/usr/bin"]
            .iter()
            .map(|it| std::path::Path::new(it).join(program))
            .find(|it| it.exists());
        std::os::unix::fs::symlink(real.unwrap(), folder.path().join(program)).unwrap();
    }
    folder
}

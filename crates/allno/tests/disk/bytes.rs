//! The image's bytes: judged by the tools of others, and the same whoever makes them.

use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::common::{Allno, Project, SmallDisk, referee, usual_store};
use crate::{SPEC, image, made};

/// Partition tables, both file systems and GRUB, each before its own tool; and nothing in it that must not be in an image.
#[test]
fn the_tools_of_others_find_no_fault() {
    let project = Project::new(SPEC);
    let made = made(&project, &[]);
    let image = image(&made);
    let disk = image.to_str().unwrap();
    referee("sfdisk", &["--verify", disk]);
    assert!(referee("sgdisk", &["--verify", disk]).contains("No problems found"));
    let table = referee("sfdisk", &["--json", disk]);
    assert!(table.to_lowercase().contains(made["root"].as_str().unwrap()), "{table}");

    let esp = project.path().join("esp");
    cut(disk, &esp, 2, 64);
    let esp = esp.to_str().unwrap();
    referee("fsck.vfat", &["-n", esp]);
    referee("mcopy", &["-i", esp, "::EFI/BOOT/BOOTX64.EFI", project.path().join("kernel").to_str().unwrap()]);
    let kernel = std::fs::read(project.path().join("kernel")).unwrap();
    assert_eq!(kernel, std::fs::read(made["kernel"].as_str().unwrap()).unwrap());
    // GRUB's own reader of disks finds the file that its menu names.
    let checked =
        referee("grub-fstest", &["--root=loop0,gpt2", disk, "crc", "(loop0,gpt2)/EFI/BOOT/BOOTX64.EFI"]);
    assert!(!checked.trim().is_empty());

    let root = project.path().join("root");
    cut(disk, &root, 66, made["size"].as_u64().unwrap() / (1 << 20) - 67);
    let root = root.to_str().unwrap();
    referee("e2fsck", &["-f", "-n", root]);
    let names = |folder: &str| referee("debugfs", &["-R", &format!("ls -p {folder}"), root]);
    assert!(!names("/etc/ssh").contains("ssh_host_"), "{}", names("/etc/ssh"));
    assert!(!names("/var/lib/apt/lists").contains("InRelease"), "{}", names("/var/lib/apt/lists"));
    let cat = |path: &str| referee("debugfs", &["-R", &format!("cat {path}"), root]);
    assert_eq!(cat("/etc/machine-id"), "");
    assert!(
        cat("/etc/shadow").lines().all(|line| ["*", "!", "!*"].contains(&line.split(':').nth(1).unwrap()))
    );
    let packages = std::fs::read_to_string(made["packages"].as_str().unwrap()).unwrap();
    assert!(packages.lines().any(|line| line.starts_with("sysvinit-core ")), "{packages}");
}

/// So many mebibytes from the `skip`th on.
fn cut(disk: &str, to: &Path, skip: u64, count: u64) {
    let (from, to) = (format!("if={disk}"), format!("of={}", to.display()));
    let (skip, count) = (format!("skip={skip}"), format!("count={count}"));
    referee("dd", &[&from, &to, "bs=1M", &skip, &count, "conv=sparse", "status=none"]);
}

/// Made again from nothing but the kernel, by an ordinary user in a user name space, with another time zone, locale and umask, in
/// a store of their own, on a file system that lists folders in another order: the same bytes, raw and as qcow2.
#[test]
fn an_ordinary_user_makes_the_same_bytes() {
    if !rustix::process::geteuid().is_root() {
        // What is compared with is root's. The other tests show that an ordinary user makes a disk.
        assert!(
            std::env::var_os("ALLNO_SKIP_REFEREES").is_some(),
            "this test needs root; ALLNO_SKIP_REFEREES=1 skips"
        );
        return;
    }
    let first = Project::new(SPEC);
    let theirs = made(&first, &["--format", "qcow2"]);
    // Their store has the kernel, as this is not about it; by links, where it is on the same file system.
    let folder = tempfile::tempdir().unwrap();
    referee("chmod", &["755", folder.path().to_str().unwrap()]);
    let home = folder.path().join("home");
    let _disk = SmallDisk::where_possible(&home);
    let store = home.join("store");
    std::fs::create_dir_all(store.join("artifacts")).unwrap();
    std::fs::create_dir_all(store.join("sources")).unwrap();
    let lock = std::fs::read_to_string(first.path().join("allno.lock")).unwrap();
    let kernel = theirs["kernel"].as_str().unwrap();
    let kernel = Path::new(kernel).parent().unwrap().parent().unwrap().to_path_buf();
    link(&kernel, &store.join("artifacts"));
    for hash in lock.lines().filter_map(|line| line.strip_prefix("sha256 = \"")?.strip_suffix('"')) {
        let source = usual_store().join("sources").join(hash);
        if source.exists() {
            link(&source, &store.join("sources"));
        }
    }
    let again = home.join("a project of theirs");
    std::fs::create_dir(&again).unwrap();
    let keys = std::fs::read_to_string(crate::data_folder().join("id_ed25519.pub")).unwrap();
    let spec = format!("[accounts]\nauthorized_keys = [\"{}\"]\n{SPEC}", keys.trim());
    std::fs::write(again.join("allno.toml"), spec).unwrap();
    std::fs::write(again.join("allno.lock"), lock).unwrap();
    let binary = home.join("allno");
    std::fs::copy(env!("CARGO_BIN_EXE_allno"), &binary).unwrap();
    let nobody = |path: &Path| referee("chown", &["65534:65534", path.to_str().unwrap()]);
    for path in [&home, &store, &again, &store.join("artifacts"), &store.join("sources")] {
        nobody(path);
    }
    nobody(&again.join("allno.lock"));
    // Whom newuidmap lets have other users is looked up in a mount name space of our own, so that this host stays as it is.
    std::fs::write(home.join("ranges"), "nobody:200000:65536\n").unwrap();
    let script = "mount --bind ranges /etc/subuid && mount --bind ranges /etc/subgid && cd 'a project of theirs' && umask 077 && \
                  exec setpriv --reuid=65534 --regid=65534 --clear-groups ../allno disk --json --format qcow2";
    let words = ["--mount", "--propagation", "private", "--", "sh", "-c", script];
    let mut allno = Allno::of(Path::new("unshare"), &home, &words).store(&store);
    allno = allno.env("HOME", &home).env("TZ", "Asia/Kathmandu").env("LC_ALL", "C.UTF-8");
    allno.command().process_group(0);
    let ours = allno.run().ok().json();
    assert_eq!(ours["digests"], theirs["digests"]);
    referee("cmp", &[image(&ours).to_str().unwrap(), image(&theirs).to_str().unwrap()]);
}

fn link(from: &Path, to: &Path) {
    let line = r#"cp -a --link "$0" "$1" 2> /dev/null || cp -a "$0" "$1""#;
    referee("sh", &["-c", line, from.to_str().unwrap(), to.to_str().unwrap()]);
}

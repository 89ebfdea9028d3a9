//! A user space out of a disk image from elsewhere.

use crate::common::{Project, referee};
use crate::{Booted, SPEC, image, made};

/// A qcow2 image with a partition table, and its root file system alone, are found to have the same root; the disk made of it boots.
#[test]
fn an_image_from_elsewhere_boots_under_our_kernel() {
    let elsewhere = Project::new(SPEC);
    let theirs = made(&elsewhere, &["--format", "qcow2", "-o", "a disk?.qcow2"]);
    let project = Project::new("[network]\nhostname = \"imported\"\n");
    let named = image(&theirs);
    let ours = made(&project, &["--import", named.to_str().unwrap()]);
    // Its partition keeps its name, as its fstab may use it.
    assert_eq!(ours["root"], theirs["root"]);
    assert_eq!(ours["packages"], serde_json::Value::Null);
    let guest = Booted::start(&ours, "uefi-virtio", &image(&ours), false);
    let seen = guest.run("cat /proc/cmdline; findmnt -no SOURCE /");
    assert!(seen.contains(ours["root"].as_str().unwrap()) && seen.contains("/dev/vda3"), "{seen}");

    let raw = project.path().join("root.ext4");
    let (from, to) = (format!("if={}", image(&ours).display()), format!("of={}", raw.display()));
    referee("dd", &[&from, &to, "bs=1M", "skip=66", "conv=sparse", "status=none"]);
    referee("truncate", &["--size=-1M", raw.to_str().unwrap()]);
    let again = made(&project, &["--import", "root.ext4"]);
    assert_eq!(again["size"], ours["size"]);
}

/// What has no root file system is refused with what it has instead, and nothing of it stays.
#[test]
fn what_has_no_root_is_refused_with_what_it_has() {
    let project = Project::new("");
    let at = |name: &str| project.path().join(name).display().to_string();
    let refused = |name: &str, wanted: &[&str]| {
        let run = project.allno(&["disk", "--import", name]).run();
        let text = run.stderr();
        assert_eq!(run.code(), 2, "{text}");
        for wanted in wanted {
            assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
        }
    };
    refused("no-such.img", &["no-such.img", "No such file"]);
    refused(".", &["no regular file"]);
    std::fs::write(at("empty.img"), "").unwrap();
    refused("empty.img", &["no root file system", "the whole image: nothing that is known"]);
    referee("mke2fs", &["-q", &at("bare.img"), "4M"]);
    refused("bare.img", &["no root file system", "with no init", "/sbin/init"]);
    referee("truncate", &["--size=8M", &at("parted.img")]);
    referee("sgdisk", &["--new=1:0:+2M", "--new=2:0:0", &at("parted.img")]);
    refused("parted.img", &["partition 1: nothing that is known", "partition 2"]);
    // A table that says a partition lies beyond the disk's end.
    referee("truncate", &["--size=3M", &at("parted.img")]);
    refused("parted.img", &["partition 2 says it lies on sectors"]);
    referee(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", "-b", &at("bare.img"), "-F", "raw", &at("over.qcow2")],
    );
    refused("over.qcow2", &["backing file"]);
    std::fs::write(at("cut.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    refused("cut.qcow2", &["cut.qcow2"]);
}

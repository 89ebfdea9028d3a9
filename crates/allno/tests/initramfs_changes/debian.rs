//! Debian's own initrd, made by Debian's tools: an ordinary user unpacks it and packs it again, the same entries come out, and
//! Debian's kernel boots what was packed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{BUILD_LIMIT, OtherUser, referee, wait};

/// What the initrd is made of.
const PACKAGES: &str = "linux-image-cloud-amd64,initramfs-tools,zstd";

#[test]
fn debians_initrd_unpacked_and_packed_again_boots() {
    let (kernel, initrd) = kernel_and_initrd();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&initrd, folder.path().join("initrd.img")).unwrap();
    let user = OtherUser::of(folder.path(), folder.path());
    let allno = |arguments: &[&str]| user.allno(arguments, &folder.path().join("store")).run().ok().stdout();
    allno(&["initramfs", "unpack", "initrd.img", "tree"]);
    assert!(
        folder.path().join("tree.list").is_file(),
        "owners and nodes of an ordinary user belong in a list"
    );
    allno(&["initramfs", "pack", "tree", "-o", "again.img", "--compress", "zstd"]);
    let differences = allno(&["initramfs", "diff", "initrd.img", "again.img"]);
    assert!(differences.is_empty(), "{differences}");
    let names = |archive: &Path| {
        referee("sh", &["-c", "zstd -dcq \"$0\" | cpio -t --quiet", archive.to_str().unwrap()])
    };
    let packed = folder.path().join("again.img");
    assert_eq!(names(&initrd), names(&packed));

    let console = boot(&kernel, &packed);
    // Its script starts udevd, which loads modules, before it stops there.
    for line in ["Loading, please wait...", "Starting systemd-udevd", "Spawning shell within the initramfs"] {
        assert!(console.contains(line), "no {line:?} in:\n{console}");
    }
}

/// The console of Debian's kernel with this initrd, which ends at the shell that `break=premount` asks for.
#[expect(clippy::disallowed_methods, reason = "the referee is started here")]
fn boot(kernel: &Path, initrd: &Path) -> String {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args("-M pc -accel tcg -cpu max -m 512 -display none -nic none -no-reboot -serial stdio".split(' '));
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    // A shell that nobody answers ends, and with panic=-1 so does the machine.
    qemu.args(["-append", "console=ttyS0 panic=-1 break=premount"]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = wait(qemu.spawn().unwrap(), Duration::from_secs(180));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Made by mmdebstrap once and kept beside cargo's output.
#[expect(clippy::disallowed_methods, reason = "the referee is started here")]
fn kernel_and_initrd() -> (PathBuf, PathBuf) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    if !kept.is_dir() {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let script = format!(
            "set -eu; cd \"$0\"; . /etc/os-release; \
             mmdebstrap --quiet --variant=minbase --include={PACKAGES} \"$VERSION_CODENAME\" root.tar; \
             mkdir boot; tar -xf root.tar ./boot; rm root.tar; \
             mv boot/vmlinuz-* boot/vmlinuz; mv boot/initrd.img-* boot/initrd.img"
        );
        let child = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(scratch.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        assert!(wait(child, BUILD_LIMIT).status.success(), "cannot make Debian's initrd");
        std::fs::rename(scratch.path().join("boot"), &kept).unwrap();
    }
    (kept.join("vmlinuz"), kept.join("initrd.img"))
}

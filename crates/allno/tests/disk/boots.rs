//! The disk started: by SeaBIOS and GRUB, by OVMF with fresh variables, on virtio, SATA and NVMe; larger than it was made; and with
//! packages from a repository on this host.

use std::path::Path;
use std::sync::Mutex;

use crate::common::{Project, referee};
use crate::server::{Server, repository};
use crate::{Booted, SPEC, image, made};

const WAYS: [(&str, &str); 6] = [
    ("bios-virtio", "/dev/vda3"),
    ("bios-sata", "/dev/sda3"),
    ("bios-nvme", "/dev/nvme0n1p3"),
    ("uefi-virtio", "/dev/vda3"),
    ("uefi-sata", "/dev/sda3"),
    ("uefi-nvme", "/dev/nvme0n1p3"),
];

/// One image, two firmwares, three buses, each with a login over SSH; two guests at a time.
#[test]
fn every_firmware_starts_it_on_every_bus() {
    let project = Project::new(SPEC);
    let made = made(&project, &[]);
    let ways = Mutex::new(WAYS.to_vec());
    let keys = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((how, device)) = { ways.lock().unwrap().pop() } {
                    let guest = Booted::start(&made, how, &image(&made), false);
                    let seen = guest.run("uname -r; findmnt -no SOURCE /; cat /proc/cmdline; hostname; [ -d /sys/firmware/efi ] && echo by EFI; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
                    for wanted in [made["kernel_version"].as_str().unwrap(), device, "root=PARTUUID=", "node"] {
                        assert!(seen.contains(wanted), "{how}: no {wanted} in\n{seen}");
                    }
                    assert_eq!(seen.contains("by EFI"), how.starts_with("uefi"), "{how}: {seen}");
                    assert!(guest.run_as("user", "id").contains("uid=1000(user)"));
                    assert!(guest.console().contains("node login:"), "{how}: {}", guest.console());
                    keys.lock().unwrap().push(seen.lines().last().unwrap().to_string());
                }
            });
        }
    });
    let mut keys = keys.into_inner().unwrap();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), WAYS.len(), "two machines share a host key: {keys:?}");
}

/// On a disk three times as large the partition and its file system grow at boot; apt installs from a repository on the host's
/// loopback; after a power-off everything is as it should be, for the tools of others too.
#[test]
fn it_grows_and_takes_packages() {
    let project = Project::new(SPEC);
    let made = made(&project, &["-o", "my.img"]);
    let disk = project.path().join("my.img");
    assert_eq!(image(&made), disk);
    let image = disk.to_str().unwrap();
    referee("truncate", &["--size=3G", image]);
    let server = Server::start(repository(project.path()));
    let guest = Booted::start(&made, "bios-virtio", &disk, true);
    let kilobytes: u64 = guest.run("df --output=size / | tail -1").trim().parse().unwrap();
    assert!(kilobytes > 2_700_000, "{kilobytes} kB\n{}", guest.console());
    let source = format!("deb [trusted=yes] http://10.0.2.2:{}/ ./", server.port());
    guest.run(&format!(
        "echo '{source}' > /etc/apt/sources.list && apt-get update && apt-get install --yes allno-hello"
    ));
    assert_eq!(guest.run("allno-hello"), "hello from a package\n");
    guest.power_off();
    assert!(server.served().iter().any(|path| path.contains("allno-hello")), "{:?}", server.served());
    referee("sfdisk", &["--verify", image]);
    assert!(referee("sgdisk", &["--verify", image]).contains("No problems found"));
    file_system_is_sound(project.path(), &disk);
    // It boots again as it is, with the same host key, and grows no more.
    let guest = Booted::start(&made, "uefi-nvme", &disk, true);
    assert_eq!(guest.run("allno-hello"), "hello from a package\n");
    assert!(!guest.console().contains("growing"), "{}", guest.console());
}

/// e2fsck on the root partition, taken out of the image.
fn file_system_is_sound(folder: &Path, disk: &Path) {
    let root = folder.join("root.ext4");
    let (from, to) = (format!("if={}", disk.display()), format!("of={}", root.display()));
    referee("dd", &[&from, &to, "bs=1M", "skip=66", "conv=sparse", "status=none"]);
    referee("truncate", &["--size=-1M", root.to_str().unwrap()]);
    referee("e2fsck", &["-f", "-n", root.to_str().unwrap()]);
}

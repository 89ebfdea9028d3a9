//! `allno config hardware`: machines' descriptions before the guests' own /sys, copies of /sys, listings of lspci, and a small tree
//! of our own; the devices of guests before the drivers that really have them.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Allno, Project, Run, path};
use serde_json::Value;

/// Process 1 of a guest whose /sys is looked at: prints what of it says what the devices are and who has them.
const RECORDER: &str = r#"#!/bin/sh
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sysfs /sys 2>/dev/null
# What the kernel says meanwhile would fall between the lines.
dmesg -n 1
for device in /sys/bus/*/devices/*; do
	echo "L ${device#/sys/} $(readlink "$device")"
	real=$(readlink -f "$device")
	for file in modalias id; do
		if [ -f "$real/$file" ]; then echo "F ${real#/sys/}/$file $(tr '\n' '|' < "$real/$file")"; fi
	done
	for link in driver firmware_node; do
		if [ -L "$real/$link" ]; then echo "L ${real#/sys/}/$link $(readlink "$real/$link")"; fi
	done
	if [ -f "$real/config" ]; then echo "S ${real#/sys/}/config $(wc -c < "$real/config")"; fi
done
for root in /sys/devices/pci*; do
	if [ -L "$root/firmware_node" ]; then echo "L ${root#/sys/}/firmware_node $(readlink "$root/firmware_node")"; fi
done
for table in /sys/firmware/acpi/tables/[A-Z]*; do
	if [ -f "$table" ]; then echo "S ${table#/sys/} $(wc -c < "$table")"; fi
done
echo "=== recorded"
exec reboot -f
"#;
const RECORDING: &str = include_str!("data/q35-e1000.sysfs");
/// Longer than any file of a recording is.
const LONGEST: usize = 1 << 20;

/// Drivers whose name in /sys is not that of their source. Kernel: drivers/acpi/evged.c, drivers/tty/serial/8250/8250_platform.c,
/// drivers/tty/serial/8250/8250_pnp.c.
const OTHER_NAMES: &[(&str, &str)] = &[("acpi-ged", "evged"), ("serial8250", "8250"), ("serial", "8250_pnp")];

/// The copy of a /sys that a recording is.
fn copy(recording: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        assert!(!name.contains("..") && !name.starts_with('/'), "{name}");
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for line in recording.lines().map(str::trim_end) {
        let parts: Vec<&str> = line.splitn(3, ' ').collect();
        match parts[..] {
            ["L", name, target] => drop(symlink(target, place(name))),
            ["F", name, text] => std::fs::write(place(name), text.replace('|', "\n")).unwrap(),
            ["S", name, length] => {
                let length = length.parse::<usize>().unwrap();
                assert!(length < LONGEST);
                std::fs::write(place(name), vec![0; length]).unwrap();
            }
            _ => {}
        }
    }
    folder
}

/// The /sys of a guest on this machine, with the node's kernel.
fn guest(machine: &str) -> tempfile::TempDir {
    let project = Project::new(
        "[initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"=== recorded\"\n[[expect]]\nqemu_exit = 0\n",
    );
    project.write("init", RECORDER);
    let report = project.boot(&["--machine", machine]);
    let console = std::fs::read(path(&report, "run").join("console.log")).unwrap();
    copy(&String::from_utf8_lossy(&console))
}

fn ask(folder: &Path, arguments: &[&str]) -> Value {
    let mut all = vec!["config", "hardware", "--json"];
    all.extend(arguments);
    Allno::new(folder, &all).run().ok().json()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn identity(device: &Value) -> &str {
    device["identities"][0].as_str().unwrap()
}

fn devices(answer: &Value) -> &[Value] {
    answer["devices"].as_array().unwrap()
}

fn device<'v>(answer: &'v Value, start: &str) -> &'v Value {
    let found = devices(answer).iter().find(|device| identity(device).starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {answer}"))
}

/// The names of what is to be set.
fn set(answer: &Value) -> Vec<&str> {
    answer["add"]["set"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

/// What the guest's kernel bound is what the answer takes, and its options are on.
fn check_bound(machine: &str, device: &Value) {
    let Some(driver) = device["bound"]["driver"].as_str() else { return };
    let name = OTHER_NAMES.iter().find(|(shown, _)| *shown == driver).map_or(driver, |(_, source)| source);
    let taken = &device["drivers"][device["taken"].as_u64().unwrap_or(99) as usize];
    let taken_name = text(taken, "driver").rsplit('/').next().unwrap();
    assert_eq!(taken_name.replace('-', "_"), name.replace('-', "_"), "{machine}: {device}");
    assert_eq!(device["standing"], "there", "{machine}: {} is bound to {driver}: {device}", identity(device));
}

/// Every QEMU machine's description before the /sys of a guest on it, in both directions; and for each device that has a driver
/// there, that driver. Two guests at a time.
#[test]
fn descriptions_and_drivers_are_those_of_the_guests() {
    let machines = ["microvm", "microvm-acpi", "pc", "q35", "pc-e1000", "q35-e1000"];
    std::thread::scope(|scope| {
        for some in machines.chunks(3) {
            scope.spawn(|| {
                some.iter().for_each(|machine| description_and_drivers_are_those_of_the_guest(machine))
            });
        }
    });
}

fn description_and_drivers_are_those_of_the_guest(machine: &str) {
    let here = tempfile::tempdir().unwrap();
    let sysfs = guest(machine);
    let seen = ask(here.path(), &["--sysfs", sysfs.path().to_str().unwrap()]);
    let described = ask(here.path(), &[machine]);
    let pairs = |answer: &Value| -> BTreeSet<(String, String)> {
        let sure = devices(answer).iter().filter(|it| it["expected"] == false && it["optional"] == false);
        // A disk is only there when QEMU is given one.
        let kept = sure.filter(|it| !identity(it).starts_with("scsi:"));
        kept.map(|it| (identity(it).to_string(), text(it, "found").to_string())).collect()
    };
    assert_eq!(pairs(&seen), pairs(&described), "{machine}: left the guest, right machines/{machine}.toml");
    assert_eq!(seen["discovery"]["pci"], described["discovery"]["pci"], "{machine}");
    let bound = devices(&seen).iter().filter(|device| !device["bound"].is_null()).count();
    assert!(bound >= 5, "{machine}: only {bound} devices have a driver");
    devices(&seen).iter().for_each(|device| check_bound(machine, device));
}

/// A copy of /sys that was made once: no guest is started, and what the tree's own sources say is enough.
#[test]
fn a_recorded_copy_is_answered_from_the_sources_alone() {
    let sysfs = copy(RECORDING);
    let here = tempfile::tempdir().unwrap();
    let answer = ask(here.path(), &["--sysfs", sysfs.path().to_str().unwrap(), "--from", "tree"]);
    assert!(answer["tables"]["distribution"].is_null());
    let card = device(&answer, "pci:v00008086d0000100E");
    assert_eq!(
        (text(card, "purpose"), text(card, "found"), text(card, "standing")),
        ("network", "pci", "there")
    );
    let disk = device(&answer, "pci:v00008086d00002922");
    assert_eq!(text(disk, "standing"), "missing");
    let behind = device(&answer, "scsi:t-0x00");
    assert_eq!((&behind["expected"], text(behind, "on")), (&Value::Bool(true), identity(disk)));
    let set = set(&answer);
    for wanted in ["SATA_AHCI=y", "BLK_DEV_SD=y", "ATA=y"] {
        assert!(set.contains(&wanted), "no {wanted} in {set:?}");
    }
    assert!(!set.iter().any(|it| it.starts_with("EXPERT")), "{set:?}");
    devices(&answer).iter().for_each(|device| check_bound("q35-e1000", device));
}

const NITRO: &str = "\
00:00.0 Host bridge [0600]: Intel Corporation 440FX - 82441FX PMC [Natoma] [8086:1237]
00:01.0 ISA bridge [0601]: Intel Corporation 82371SB PIIX3 ISA [Natoma/Triton II] [8086:7000]
00:03.0 VGA compatible controller [0300]: Amazon.com, Inc. Device [1d0f:1111]
00:04.0 Non-Volatile memory controller [0108]: Amazon.com, Inc. Device [1d0f:8061]
00:05.0 Ethernet controller [0200]: Amazon.com, Inc. Elastic Network Adapter (ENA) [1d0f:ec20]
";

/// A listing that somebody pasted, and the machine it is of, are answered alike.
#[test]
fn a_pasted_listing_names_the_drivers_of_its_disk_and_card() {
    let here = tempfile::tempdir().unwrap();
    let mut child = Allno::new(here.path(), &["config", "hardware", "--lspci", "-", "--json"]);
    child.command().stdin(std::process::Stdio::piped());
    let mut child = child.start();
    child.stdin.take().unwrap().write_all(NITRO.as_bytes()).unwrap();
    let run = Run { output: common::wait(child, common::BUILD_LIMIT) }.ok();
    let pasted = run.json();
    let described = ask(here.path(), &["ec2-nitro"]);
    for answer in [&pasted, &described] {
        let set = set(answer);
        for wanted in ["BLK_DEV_NVME=y", "ENA_ETHERNET=y", "PCI_MSI=y"] {
            assert!(set.contains(&wanted), "no {wanted} in {set:?}");
        }
    }
    let xen = ask(here.path(), &["ec2-xen"]);
    let set = set(&xen);
    for wanted in ["XEN=y", "XEN_NETDEV_FRONTEND=y", "XEN_BLKDEV_FRONTEND=y"] {
        assert!(set.contains(&wanted), "no {wanted} in {set:?}");
    }
}

/// A tree of our own, of one driver of each kind: who drives what is read from its sources, which option from its Makefiles.
fn small_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join("tree").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\nEXTRAVERSION =\n");
    write(
        "Kconfig",
        "mainmenu \"Small\"\nconfig PCI\n\tbool \"PCI\"\nconfig BUS\n\tbool \"Bus\"\nconfig CARD\n\ttristate \"Card\"\n\
         \tdepends on PCI && BUS\nconfig OTHER\n\tbool \"Other\"\n",
    );
    write("arch/x86/Kbuild", "");
    write("Kbuild", "obj-y += drivers/\n");
    write("drivers/Makefile", "obj-$(CONFIG_PCI) += card/\n");
    write("drivers/card/Makefile", "obj-$(CONFIG_CARD) += card.o\ncard-y := main.o\n");
    write("include/linux/mod_devicetable.h", "#define PCI_ANY_ID (~0)\n");
    write(
        "drivers/card/main.c",
        "static const struct pci_device_id ids[] = { { 0x1d0f, 0xec20, PCI_ANY_ID, PCI_ANY_ID, 0, 0, 0 }, { } };\n\
         MODULE_DEVICE_TABLE(pci, ids);\n",
    );
    write(".config", "CONFIG_PCI=y\n");
    folder
}

fn ask_small(folder: &Path, arguments: &[&str]) -> Run {
    let mut all = vec!["config", "hardware", "--tree", "tree"];
    all.extend(arguments);
    Allno::new(folder, &all).store(&folder.join("store")).run()
}

#[test]
fn a_tree_of_ones_own_answers_by_itself() {
    let folder = small_tree();
    std::fs::write(folder.path().join("list"), NITRO).unwrap();
    let run = ask_small(folder.path(), &["--lspci", "list", "--from", "tree"]).ok();
    let shown = run.stdout();
    assert!(
        shown.contains(concat!(
            "  missing  1d0f:ec20  Amazon.com, Inc. Elastic Network Adapter (ENA)   network, 0000:00:05.0\n",
            "           PCI bus scan            PCI=y\n",
            "           card                    CARD=n   drivers/card/Makefile:1\n",
            "                                   CARD hangs on BUS=y\n",
        )),
        "{shown}"
    );
    assert!(
        shown.contains("  add         2 options, the fewest that bring them:\n              BUS=y CARD=y\n"),
        "{shown}"
    );
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
}

#[test]
fn wrong_input_is_named_with_what_was_expected() {
    let folder = small_tree();
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let run = ask_small(folder.path(), arguments);
        let said = run.stderr();
        assert_eq!(run.code(), code, "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{arguments:?}: no {word:?} in\n{said}");
        }
    };
    refused(&["q36"], 2, &["no machine \"q36\"", "did you mean \"q35\"?", "ec2-nitro"]);
    refused(&["--sysfs", "tree"], 2, &["tree is no copy of /sys", "bus/NAME/devices"]);
    refused(&["--sysfs", "none"], 2, &["cannot read none", "No such file"]);
    std::fs::write(folder.path().join("bare"), "00:03.0 Ethernet controller: Intel 82540EM (rev 03)\n")
        .unwrap();
    refused(&["--lspci", "bare"], 2, &["[VENDOR:DEVICE] is missing (line 1)", "lspci -nn |"]);
    std::fs::write(folder.path().join("prose"), [0xff, 0xfe, b'\n', b'a']).unwrap();
    refused(&["--lspci", "prose"], 2, &["no output of lspci -nn", "expected: lines like"]);
    refused(&["--lspci", "nowhere"], 2, &["cannot read nowhere"]);
    refused(&["q35", "--sysfs", "tree"], 2, &["cannot be used with"]);
    refused(&[], 2, &["MACHINE", "--sysfs"]);
    // No package in an empty store, and no network to ask: every origin is named.
    let from = ["q35", "--from", "distribution", "--offline"];
    refused(
        &from,
        3,
        &["no kernel of a distribution", "linux-image-6.12-amd64", "linux-image-amd64", "--from tree"],
    );
    // Without it the tree answers, and that is said.
    let run = ask_small(folder.path(), &["q35", "--offline"]).ok();
    assert!(run.stderr().contains("the tree's own sources answer alone"), "{}", run.stderr());
}

/// A copy may hold anything: links that lead out or in circles, pipes, files of any length, names that are no text.
#[test]
fn a_hostile_copy_ends_in_an_answer_or_a_refusal() {
    use std::os::unix::ffi::OsStrExt;
    let folder = small_tree();
    let sys = folder.path().join("sys");
    let devices = sys.join("bus/pci/devices");
    std::fs::create_dir_all(&devices).unwrap();
    let card = |name: &[u8]| -> PathBuf { devices.join(std::ffi::OsStr::from_bytes(name)) };
    symlink("/", card(b"out")).unwrap();
    symlink("circle", card(b"circle")).unwrap();
    std::fs::create_dir(card(b"\xff\xfe")).unwrap();
    std::fs::write(card(b"\xff\xfe").join("modalias"), "pci:").unwrap();
    std::fs::create_dir(card(b"long")).unwrap();
    std::fs::write(card(b"long").join("modalias"), "x".repeat(1 << 20)).unwrap();
    std::fs::create_dir(card(b"pipe")).unwrap();
    common::referee("mkfifo", &[card(b"pipe").join("modalias").to_str().unwrap()]);
    std::fs::create_dir(card(b"card")).unwrap();
    std::fs::write(card(b"card").join("modalias"), "pci:v00001D0Fd0000EC20sv0sd0bc02sc00i00\n\x1b[31m")
        .unwrap();
    let run = ask_small(folder.path(), &["--sysfs", "sys", "--from", "tree", "--all"]).ok();
    assert!(!run.stdout().contains('\x1b'), "{}", run.stdout());
    assert!(run.stdout().contains("ec20") || run.stdout().contains("EC20"), "{}", run.stdout());
}

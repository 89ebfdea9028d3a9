//! The node, booted: on every machine, by every way to an address, in every compression, and by a real OpenSSH client.

mod common;

use common::{Project, path, referee};
use serde_json::Value;

/// The whole of the built-in node's expectations, run by the host's own OpenSSH client.
#[test]
fn the_built_in_node_is_reached_by_ssh() {
    let folder = tempfile::tempdir().unwrap();
    let run = common::Allno::new(folder.path(), &["boot", "--check", "--json"]).run().ok();
    let report = run.json();
    assert_eq!(report["passed"], true);
    let seen: Vec<&str> =
        report["expectations"].as_array().unwrap().iter().filter_map(|it| it["seen"].as_str()).collect();
    for wanted in ["Linux node 6.12", "uid=0(root)", "uid=1000(user)", "(ED25519)"] {
        assert!(seen.iter().any(|line| line.contains(wanted)), "no {wanted} in {seen:?}");
    }
    assert_eq!(report["power_off"]["clean"], true, "{report}");
    let folder = path(&report, "run");
    for file in ["plan.json", "qemu.sh", "console.log", "events.jsonl", "result.json"] {
        assert!(folder.join(file).is_file(), "no {file} in the run directory");
    }
}

/// One kernel, one initramfs, one command line on all machines: only QEMU's arguments differ.
#[test]
fn the_same_files_boot_on_every_machine() {
    let spec = "[[expect]]\nssh = \"ping -c1 10.0.2.2\"\nprints = \"1 received\"\n\
                [[expect]]\nssh = \"cat /proc/cmdline\"\nprints = \"ip=10.0.2.15\"\n";
    let project = Project::new(spec);
    let files = |report: &Value| {
        let built = &report["built"];
        (path(built, "kernel"), path(built, "initramfs"), built["append"].as_str().unwrap().to_string())
    };
    let first = project.boot(&[]);
    for machine in ["q35", "pc", "q35-e1000", "pc-e1000"] {
        let report = project.boot(&["--machine", machine]);
        assert_eq!(report["machine"], machine);
        assert_eq!(files(&report), files(&first));
        assert_eq!(report["power_off"]["clean"], true, "{machine}: {report}");
    }
}

/// A line of one's own, with the bzImage where allno itself starts the ELF image.
#[test]
fn a_qemu_line_of_ones_own_boots_the_same_files() {
    let line = "[machine]\nqemu = [\"qemu-system-x86_64\", \"-M\", \"q35\", \"-m\", \"300\", \"-cpu\", \"qemu64\", \
                \"-display\", \"none\", \"-serial\", \"stdio\", \"-no-reboot\", \"-kernel\", \"{kernel}\", \
                \"-initrd\", \"{initramfs}\", \"-append\", \"{append}\", \"-nic\", \
                \"user,model=e1000,hostfwd=tcp:127.0.0.1:{port}-:22\"]\n[[expect]]\nssh = \"uname -m\"\nprints = \"x86_64\"\n";
    Project::new(line).boot(&[]);
}

#[test]
fn the_kernel_asks_dhcp_and_resolv_conf_is_filled() {
    let spec = "[network]\naddress = \"dhcp\"\n[[expect]]\nssh = \"ip -4 addr show eth0\"\nprints = \"10.0.2.15\"\n\
                [[expect]]\nssh = \"cat /etc/resolv.conf\"\nprints = \"nameserver 10.0.2.3\"\n";
    Project::new(spec).boot(&[]);
}

/// Without ip= on the command line the node asks by itself: udhcpc and its script.
#[test]
fn without_ip_a_dhcp_client_of_the_node_asks() {
    let spec = "[[expect]]\nssh = \"ip route\"\nprints = \"default via 10.0.2.2\"\n";
    let project = Project::new(spec);
    let built = project.allno(&["build", "--json"]).run().ok().json();
    let append: Vec<&str> =
        built["append"].as_str().unwrap().split(' ').filter(|word| !word.starts_with("ip=")).collect();
    let line: Vec<String> =
        built["qemu"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_string()).collect();
    let at = line.iter().position(|word| word == "-append").unwrap();
    let mut own = line.clone();
    own[at + 1] = append.join(" ");
    for word in &mut own {
        let port = built["ssh_port"].as_u64().unwrap().to_string();
        *word = word.replace(&format!(":{port}-"), ":{port}-");
    }
    project.write("allno.toml", &format!("[machine]\nqemu = {own:?}\n{spec}"));
    project.boot(&[]);
}

/// The kernel is the referee of every compression.
#[test]
fn the_kernel_unpacks_every_compression() {
    for compression in ["none", "gzip", "zstd", "xz", "lz4"] {
        let spec =
            format!("[initramfs]\ncompression = \"{compression}\"\n[[expect]]\nconsole = \"node ready\"\n");
        Project::new(&spec).boot(&[]);
    }
}

/// Owners, modes and links as the running kernel sees them, and nothing secret in the image.
#[test]
fn files_arrive_as_the_spec_says() {
    let spec = "[accounts]\nuser = \"ada\"\n\
        [[file]]\nto = \"/etc/motd\"\ntext = \"grown here\\n\"\n\
        [[file]]\nto = \"/home/ada/tool\"\nfrom = \"tool\"\nuser = 1000\ngroup = 1000\n\
        [[file]]\nto = \"/opt/link\"\nlink = \"../etc/motd\"\n\
        [[file]]\nto = \"/srv/big\"\nfrom = \"big\"\nmode = \"0640\"\n\
        [[expect]]\nssh = \"cat /opt/link\"\nprints = \"grown here\"\n\
        [[expect]]\nssh = \"./tool\"\nas = \"ada\"\nprints = \"made by a tool\"\n\
        [[expect]]\nssh = \"stat -c '%a %u:%g %n' /home/ada /home/ada/tool /etc/shadow /var/empty /srv/big | tr '\\\\n' ' '\"\n\
        prints = \"750 1000:1000 /home/ada 755 1000:1000 /home/ada/tool 600 0:0 /etc/shadow 755 0:0 /var/empty 640 0:0 /srv/big\"\n\
        [[expect]]\nssh = \"sha256sum < /srv/big\"\nprints = \"SUM\"\n";
    let big = vec![7u8; 300_000];
    let project = Project::new("");
    project.write("tool", "#!/bin/sh\necho made by a tool\n");
    std::fs::write(project.path().join("big"), &big).unwrap();
    let big_path = project.path().join("big").display().to_string();
    let sum = referee("sha256sum", &[&big_path]);
    project.write("allno.toml", &spec.replace("SUM", sum.split(' ').next().unwrap()));
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(project.path().join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let report = project.boot(&[]);
    let image = std::fs::read(path(&report["built"], "initramfs")).unwrap();
    let holds = |text: &[u8]| image.windows(text.len()).any(|window| window == text);
    assert!(
        !holds(b"ssh_host_ed25519_key\0-----BEGIN") && !holds(b"OPENSSH PRIVATE KEY-----\nb3"),
        "a private key in the image"
    );
}

/// An /init of one's own is process 1, and its text is asserted.
#[test]
fn an_init_of_ones_own_takes_the_place_of_ours() {
    let project = Project::new(
        "[initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"mine: 1\"\n[[expect]]\nqemu_exit = 0\n",
    );
    project.write("init", "#!/bin/sh\necho \"mine: $$\"\nexec reboot -f\n");
    project.boot(&[]);
}

/// The clock is the host's, the accounts have no password, orphans are reaped.
#[test]
fn the_node_is_in_order() {
    let spec = "[[expect]]\nssh = \"date +%s\"\nprints = \"1\"\n\
        [[expect]]\nssh = \"(sleep 0.1 &) ; sleep 0.5; ps -o stat,comm | grep -c '^Z'\"\nprints = \"0\"\nexit = 1\n\
        [[expect]]\nssh = \"awk -F: '$2 != \\\"*\\\"' /etc/shadow | wc -l\"\nprints = \"0\"\n\
        [[expect]]\nssh = \"busybox --list | wc -l; busybox --list-full | while read p; do [ -e /$p ] || echo missing $p; done\"\n";
    let report = Project::new(spec).boot(&[]);
    let guest: i64 = report["expectations"][0]["seen"].as_str().unwrap().trim().parse().unwrap();
    let host = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((host - guest).abs() < 60, "the guest's clock says {guest}, the host's {host}");
}

#[test]
fn full_crypto_takes_rsa_and_ecdsa_keys() {
    for (kind, bits) in [("rsa", "2048"), ("ecdsa", "256")] {
        let project = Project::new("");
        let key = project.path().join("id");
        referee("ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-f", key.to_str().unwrap()]);
        project.write(
            "allno.toml",
            "[userland]\ncrypto = \"full\"\n[accounts]\nauthorized_keys = [\"id.pub\"]\n\
             [[expect]]\nssh = \"ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub\"\nprints = \"(ECDSA)\"\n",
        );
        let report = project.boot(&[]);
        assert_eq!(report["built"]["ssh_key"].as_str(), key.to_str());
    }
}

#[test]
fn series_6_1_boots_too() {
    let spec = "[kernel]\nseries = \"6.1\"\n[[expect]]\nssh = \"uname -r\"\nprints = \"6.1.\"\n";
    let project = Project::new(spec);
    project.boot(&[]);
    project.boot(&["--machine", "q35-e1000"]);
}

/// A boot that fails says what it waited for, what ended it, the last lines and how to do it again.
#[test]
fn a_failed_boot_explains_itself() {
    let project =
        Project::new("[initramfs]\ninit = \"init\"\n[[expect]]\nconsole = \"never said\"\nwithin = 40\n");
    project.write("init", "#!/bin/sh\necho going down\nexit 3\n");
    let run = project.allno(&["boot", "--check"]).run();
    assert_eq!(run.code(), 1);
    let text = run.stderr();
    for wanted in ["never said", "Attempted to kill init", "going down", "allno.toml:3", "qemu.sh"] {
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
}

/// A deadline that passes in silence is a failure too, in its own words.
#[test]
fn a_silent_boot_ends_at_its_deadline() {
    let project = Project::new("[[expect]]\nconsole = \"never said\"\nwithin = 3\n");
    let run = project.allno(&["boot", "--check"]).run();
    assert_eq!(run.code(), 1);
    assert!(run.stderr().contains("never said"), "{}", run.stderr());
}

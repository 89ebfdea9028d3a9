use super::*;
use crate::definition::Boots;
use crate::drive::{Bus, ImageFormat};
use base::Kind;

fn launch() -> Launch {
    let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
    let machine = Machine {
        name: "microvm".into(),
        about: "fast".into(),
        qemu: words("-M microvm"),
        network_device: Some("virtio-net-device,netdev=net0".into()),
        rng_device: Some("virtio-rng-device,rng=rng0".into()),
        interface: Some("eth0".into()),
        boots: Boots::Vmlinux,
        needs: vec![],
        discovery: Default::default(),
        device: vec![],
    };
    Launch {
        kernel: Some("/tmp/a,b/vmlinux".into()),
        initramfs: Some("/tmp/i".into()),
        append: "console=ttyS0 quiet".into(),
        network: Network::user(),
        random: true,
        extra: vec!["-snapshot".into()],
        ..Launch::new(machine, Accelerator::Tcg, 256)
    }
}

#[test]
fn the_line_holds_what_was_decided() {
    let line = launch().program(Some(2222)).unwrap().shell_line();
    assert_eq!(
        line,
        "qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot -M microvm -accel tcg -m 256M \
         -smp 1 -chardev stdio,id=console,signal=off -serial chardev:console \
         -netdev user,id=net0,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22 \
         -device virtio-net-device,netdev=net0,mac=52:54:00:0a:11:10 \
         -object rng-random,id=rng0,filename=/dev/urandom -device virtio-rng-device,rng=rng0 \
         -kernel /tmp/a,b/vmlinux -initrd /tmp/i -append 'console=ttyS0 quiet' -snapshot"
    );
    assert!(launch().program(None).unwrap().shell_line().contains("127.0.0.1:{port}-"));
}

#[test]
fn the_other_choices() {
    let mut tap = launch();
    tap.network = Network::Tap { interface: "tap,0".into() };
    tap.gdb = Some(1234);
    tap.accelerator = Accelerator::Kvm;
    let line = tap.program(None).unwrap().shell_line();
    assert!(line.contains("tap,id=net0,ifname=tap,,0,script=no,downscript=no"), "{line}");
    assert!(line.contains("-gdb tcp:127.0.0.1:1234 -S"), "{line}");
    assert!(line.contains("-accel kvm -cpu host"), "{line}");
    assert!(!tap.wants_port());
    let mut user = launch();
    user.network = Network::User {
        guest: Some(Ipv4Addr::new(192, 168, 7, 2)),
        network: Some("192.168.7.0/24".into()),
        host: Some(Ipv4Addr::new(192, 168, 7, 1)),
        restrict: true,
    };
    let line = user.program(Some(1)).unwrap().shell_line();
    assert!(line.contains("1-192.168.7.2:22,net=192.168.7.0/24,host=192.168.7.1,restrict=on"), "{line}");
}

#[test]
fn a_disk_is_started_by_its_firmware_and_never_written() {
    let mut from_disk = launch();
    from_disk.kernel = None;
    from_disk.firmware = Firmware::Uefi;
    from_disk.disk =
        Some(Drive { image: "/a,b/disk.qcow2".into(), format: ImageFormat::Qcow2, bus: Bus::Nvme });
    let line = from_disk.program(Some(2222)).unwrap().shell_line();
    let drive = "-drive if=none,id=disk0,format=qcow2,file=/a,,b/disk.qcow2,snapshot=on,cache=unsafe";
    for wanted in [drive, "-device nvme,serial=allno,drive=disk0,bootindex=0", "OVMF_CODE"] {
        assert!(line.contains(wanted), "no {wanted} in {line}");
    }
    assert!(!line.contains("-append"), "{line}");
    from_disk.firmware = Firmware::Bios;
    from_disk.kernel = launch().kernel;
    let line = from_disk.program(Some(2222)).unwrap().shell_line();
    assert!(!line.contains("OVMF") && !line.contains("bootindex"), "{line}");
}

#[test]
fn a_line_of_ones_own_gets_its_placeholders() {
    let mut own = launch();
    own.own_line = Some(
        split_line("qemu -M 'pc' -kernel {kernel} -initrd {initramfs} -append {append} -netdev user,id=n,hostfwd=tcp::{port}-:22")
            .unwrap(),
    );
    assert!(own.wants_port());
    assert_eq!(
        own.program(Some(99)).unwrap().shell_line(),
        "qemu -M pc -kernel /tmp/a,b/vmlinux -initrd /tmp/i -append 'console=ttyS0 quiet' \
         -netdev user,id=n,hostfwd=tcp::99-:22"
    );
    for wrong in ["qemu {kernle}", "qemu {kernel", "", "qemu {}"] {
        own.own_line = Some(split_line(wrong).unwrap());
        assert_eq!(own.program(None).unwrap_err().kind(), Kind::Input, "{wrong}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let refused = |change: fn(&mut Launch)| {
        let mut launch = launch();
        change(&mut launch);
        assert_eq!(launch.program(Some(1)).unwrap_err().kind(), Kind::Input);
    };
    refused(|launch| launch.append = "x".repeat(2048));
    refused(|launch| launch.machine.qemu.clear());
    refused(|launch| launch.machine.network_device = None);
    refused(|launch| launch.machine.rng_device = None);
    refused(|launch| launch.memory = 0);
}

#[test]
fn lines_split_as_a_shell_splits_them() {
    let words = |line: &str| split_line(line).unwrap();
    assert_eq!(words("a  'b c' \"d \\\" e\" f\\ g '' h\\\n i"), ["a", "b c", "d \" e", "f g", "", "h", "i"]);
    assert_eq!(words(" "), Vec::<String>::new());
    for wrong in ["'a", "\"a", "a\\"] {
        assert!(split_line(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn addresses_are_of_one_card() {
    assert_eq!("52:54:00:0A:11:10".parse(), Ok(MacAddress::DEFAULT));
    assert_eq!(MacAddress::DEFAULT.to_string(), "52:54:00:0a:11:10");
    assert_eq!(MacAddress::DEFAULT.0[0] & 3, 2, "locally administered, unicast");
    for wrong in [
        "",
        "52:54",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
        "52:54:00:0a:11:1g",
        "52:54:00:0a:11:+1",
        "52:54:00:0a:11:10:00",
    ] {
        assert!(wrong.parse::<MacAddress>().is_err(), "{wrong}");
    }
}

#[test]
fn this_hosts_qemu_says_whether_it_has_slirp() {
    if std::env::var_os("ALLNO_SKIP_REFEREES").is_some() {
        return;
    }
    assert!(has_user_network(QEMU, &Cancel::new()).unwrap());
}

#[test]
fn complaints_of_qemus_are_understood() {
    // As QEMU 7.2 says them; the first two name what was not built in.
    for line in [
        "qemu-system-x86_64: -netdev user,id=net0: network backend 'user' is not compiled into this binary",
        "qemu-system-x86_64: -netdev user,id=net0: Parameter 'type' does not accept value 'user'",
        "qemu-system-x86_64: -netdev tap,id=n,ifname=t0: could not open /dev/net/tun: Permission denied",
        "qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied",
        "qemu-system-x86_64: cannot set up guest memory 'microvm.ram': Cannot allocate memory",
    ] {
        let error = known_failure(&[line.to_string()]).expect(line);
        assert_eq!(error.kind(), Kind::Host, "{line}");
        assert!(!error.hints().is_empty(), "{line}");
    }
    assert!(known_failure(&["qemu-system-x86_64: -foo: invalid option".to_string()]).is_none());
}

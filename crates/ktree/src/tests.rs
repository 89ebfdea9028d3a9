//! Trees of a few files, each line of which is a form that kernels use.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::{Files, List, Objects};

struct Given(BTreeMap<String, String>);

impl Files for Given {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn exists(&self, path: &str) -> bool {
        self.0.keys().any(|it| it == path || it.starts_with(&format!("{path}/")))
    }
}

fn tree(files: &[(&str, &str)]) -> Objects {
    let files = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    Objects::read(&Given(files), "x86").expect("a Kbuild file")
}

fn made(objects: &Objects, config: &str) -> Vec<String> {
    let values: BTreeMap<&str, &str> =
        config.split_whitespace().filter_map(|it| it.split_once('=')).collect();
    let built = objects.built(&|name| values.get(name).map(|it| it.to_string()));
    assert!(built.open.is_empty(), "{:?}", built.open);
    built
        .made
        .into_iter()
        .map(|(path, list)| if list == List::Module { format!("{path} [M]") } else { path })
        .collect()
}

const NETWORK: &[(&str, &str)] = &[
    ("Kbuild", "obj-y += drivers/\nobj-$(CONFIG_NET) += net/\nobj-y += $(ARCH_DRIVERS)\n"),
    (
        "arch/x86/Makefile",
        "ifeq ($(CONFIG_64BIT),y)\nBITS := 64\nelse\nBITS := 32\nendif\nexport BITS\n\
         libs-y += arch/x86/lib/\ndrivers-$(CONFIG_PCI) += arch/x86/pci/\nbootz: vmlinux\n\tmake $@\n",
    ),
    ("arch/x86/lib/Makefile", "lib-y := delay.o copy_$(BITS).o\nlib-$(CONFIG_SMP) += smp.o\n"),
    ("arch/x86/pci/Makefile", "obj-y := i386.o\n"),
    ("lib/Makefile", "obj-y += ctype.o\n"),
    ("drivers/Makefile", "obj-$(CONFIG_ETHERNET)\t+= net/\nobj-$(subst m,y,$(CONFIG_HYPERV)) += hv/\n"),
    ("drivers/hv/Makefile", "obj-$(CONFIG_HYPERV) += hv_vmbus.o\nhv_vmbus-y := vmbus_drv.o\n"),
    (
        "drivers/net/Makefile",
        "obj-$(CONFIG_E1000) += e1000.o\n\ne1000-objs := main.o \\\n\t hw.o\ne1000-$(CONFIG_DEBUG) += debug.o\n",
    ),
    (
        "net/Makefile",
        "obj-y := socket.o # the core\nifneq ($(CONFIG_IPV6),)\nobj-y += ipv6/\nelse ifeq ($(CONFIG_INET),y)\n\
         obj-y += only4.o\nendif\nobj-$(CONFIG_SYSCTL) += $(addprefix sub/, a.o b.o)\n",
    ),
    (
        "net/ipv6/Makefile",
        "obj-$(CONFIG_IPV6) += ipv6.o\nipv6-objs := af_inet6.o\nobj-y += addrconf_core.o\n",
    ),
];

#[test]
fn objects_follow_the_configuration() {
    let tree = tree(NETWORK);
    assert_eq!(made(&tree, ""), ["arch/x86/lib/copy_32.o", "arch/x86/lib/delay.o", "lib/ctype.o"]);
    assert_eq!(
        made(&tree, "64BIT=y SMP=y PCI=y NET=y INET=y SYSCTL=y"),
        [
            "arch/x86/lib/copy_64.o",
            "arch/x86/lib/delay.o",
            "arch/x86/lib/smp.o",
            "arch/x86/pci/i386.o",
            "lib/ctype.o",
            "net/only4.o",
            "net/socket.o",
            "net/sub/a.o",
            "net/sub/b.o"
        ]
    );
    // A module's folder is visited, but what it lists for the kernel is linked all the same.
    assert_eq!(
        made(&tree, "NET=y IPV6=m ETHERNET=y E1000=m DEBUG=y HYPERV=m"),
        [
            "arch/x86/lib/copy_32.o",
            "arch/x86/lib/delay.o",
            "drivers/hv/vmbus_drv.o [M]",
            "drivers/net/debug.o [M]",
            "drivers/net/hw.o [M]",
            "drivers/net/main.o [M]",
            "lib/ctype.o",
            "net/ipv6/addrconf_core.o",
            "net/ipv6/af_inet6.o [M]",
            "net/socket.o"
        ]
    );
}

#[test]
fn a_module_names_the_options_that_bring_it() {
    let tree = tree(NETWORK);
    let names = |set: &BTreeSet<std::sync::Arc<str>>| set.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = tree.bringing_module("e1000");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].object, "drivers/net/e1000.o");
    assert_eq!(names(&found[0].symbols), ["E1000"]);
    assert_eq!(names(&found[0].folders), ["ETHERNET"]);
    assert!(found[0].unknown.is_empty());
    let part = tree.bringing_object("drivers/net/debug.o");
    assert_eq!(names(&part[0].symbols), ["DEBUG", "E1000"]);
    let places: Vec<String> = part[0].places.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["drivers/net/Makefile:1", "drivers/net/Makefile:5"]);
    assert_eq!(tree.bringing_module("hv-vmbus")[0].object, "drivers/hv/hv_vmbus.o");
    assert!(tree.bringing_module("nothing").is_empty());
}

#[test]
fn what_is_not_followed_is_said_with_its_place() {
    let tree = tree(&[
        (
            "Kbuild",
            "obj-$(shell uname) += a.o\nifeq ($(shell x),y)\nobj-y += b.o\nendif\nobj-y += $(shell ls) c.o\n\
             obj-y += fw-$(CONFIG_NAME).o\n",
        ),
        ("arch/x86/Makefile", ""),
    ]);
    let built = tree.built(&|name| (name == "NAME").then(|| "intel".to_string()));
    assert_eq!(built.made.keys().collect::<Vec<_>>(), ["c.o"]);
    assert_eq!(built.open.keys().collect::<Vec<_>>(), ["b.o"]);
    let places: Vec<String> = tree.unknown.iter().map(|it| it.place.to_string()).collect();
    assert!(places.contains(&"Kbuild:2".to_string()), "{places:?}");
    let open: Vec<String> = tree.open.iter().map(|&it| tree.unknown[it].place.to_string()).collect();
    assert!(open.contains(&"Kbuild:1".to_string()) && open.contains(&"Kbuild:5".to_string()), "{open:?}");
}

proptest! {
    #[test]
    fn no_makefile_makes_it_panic(text in "([a-z]{0,2}-?(y|\\$\\(CONFIG_A\\)|)|\\+=|:=|=|\\$\\(|\\)|ifeq|else|endif|define|\\(a,b\\)|if|foreach|,|:|\\n|\\t| |\\$|x\\.o|include|Kbuild|sort|filter|addprefix|patsubst|or|and|%){0,40}") {
        let files = [("Kbuild".to_string(), text)].into_iter().collect();
        let _ = Objects::read(&Given(files), "x86").map(|it| it.built(&|_| None));
    }
}

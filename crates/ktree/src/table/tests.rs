use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Files(&'static [(&'static str, &'static str)]);

impl FileSource for Files {
    fn text(&self, path: &Path) -> Option<String> {
        self.0.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| text.to_string())
    }
}

const TREE: Files = Files(&[
    ("include/linux/mod_devicetable.h", "#define PCI_ANY_ID (~0)\n#define VIRTIO_DEV_ANY_ID 0xffffffff\n"),
    (
        "include/linux/pci_ids.h",
        "#define PCI_VENDOR_ID_INTEL 0x8086\n#define PCI_DEVICE_ID_INTEL_82371AB 0x7111\n#define PCI_CLASS_STORAGE_SATA_AHCI 0x010601\n",
    ),
    (
        "include/linux/pci.h",
        "#define PCI_DEVICE(vend,dev) \\\n .vendor = (vend), .device = (dev), \\\n .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID\n\
         #define PCI_VDEVICE(vend, dev) .vendor = PCI_VENDOR_ID_##vend, .device = (dev), .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID, 0, 0\n\
         #define PCI_DEVICE_DATA(vend, dev, data) .vendor = PCI_VENDOR_ID_##vend, .device = PCI_DEVICE_ID_##vend##_##dev, .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID, 0, 0, .driver_data = (x)(data)\n\
         #define PCI_DEVICE_CLASS(dev_class,dev_class_mask) .class = (dev_class), .class_mask = (dev_class_mask), .vendor = PCI_ANY_ID, .device = PCI_ANY_ID, .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID\n",
    ),
    ("include/uapi/linux/virtio_ids.h", "#define VIRTIO_ID_NET 1 /* net */\n"),
    ("include/scsi/scsi_proto.h", "#define TYPE_DISK 0x00\n"),
    (
        "drivers/a/ids.h",
        "static const struct pci_device_id a_ids[] = { OWN(0xec20) { } };\n#define OWN(id) { PCI_DEVICE(0x1d0f, id) },\n",
    ),
]);

fn claimed(source: &str) -> Claimed {
    Tables::new(&TREE).claimed(Path::new("drivers/a/a.c"), source)
}

#[test]
fn pci_tables_of_every_way_of_writing() {
    let found = claimed(
        "static const struct pci_device_id ids[] = {\n\
         { PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x100e), 0 },\n\
         { PCI_VDEVICE(INTEL, 0x2922), board },\n\
         { PCI_DEVICE_DATA(INTEL, 82371AB, 0) },\n\
         { 0x10ec, 0x8139, PCI_ANY_ID, PCI_ANY_ID, 0, 0, RTL },\n\
         { PCI_ANY_ID, PCI_ANY_ID, PCI_ANY_ID, PCI_ANY_ID, PCI_CLASS_STORAGE_SATA_AHCI, 0xffffff, board },\n\
         { PCI_DEVICE_CLASS((0x01 << 16 | 1 << 8), ~0xff) },\n\
         { PCI_DEVICE(PCI_VENDOR_ID_NOBODY, 1) },\n\
         {0,} };\nMODULE_DEVICE_TABLE(pci, ids);\n",
    );
    assert_eq!(
        found.patterns,
        [
            "pci:v*d*sv*sd*bc01sc01i*",
            "pci:v*d*sv*sd*bc01sc06i01*",
            "pci:v000010ECd00008139sv*sd*bc*sc*i*",
            "pci:v00008086d0000100Esv*sd*bc*sc*i*",
            "pci:v00008086d00002922sv*sd*bc*sc*i*",
            "pci:v00008086d00007111sv*sd*bc*sc*i*",
        ]
    );
    assert_eq!(found.not_understood, 1);
}

#[test]
fn a_table_in_a_header_beside_is_found_and_one_that_nobody_uses_is_not() {
    let found =
        claimed("#include \"ids.h\"\nstatic struct pci_driver d = { .name = \"a\", .id_table = a_ids, };\n");
    assert_eq!(found.patterns, ["pci:v00001D0Fd0000EC20sv*sd*bc*sc*i*"]);
    let unused = "static const struct acpi_device_id forbidden[] = { {\"ACPI0009\", 0}, {} };\nint x = f(forbidden);\n";
    assert_eq!(claimed(unused), Claimed::default());
}

#[test]
fn tables_of_names() {
    let found = claimed(
        "static const struct pnp_device_id p[] = { { \"PNP0501\", 0 }, { \"\", 0 } };\n\
         MODULE_DEVICE_TABLE(pnp, p);\n\
         static const struct acpi_device_id a[] __maybe_unused = { { \"ACPI0013\" }, { .id = \"LNRO0005\", }, { \"\" } };\n\
         struct platform_driver d = { .driver = { .acpi_match_table = ACPI_PTR(a) } };\n\
         static struct virtio_device_id v[] = { { VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID }, { 0 }, };\nstatic struct x y = { .id_table = v };\n\
         static const struct platform_device_id x[] = { { \"vif\" }, { \"\" } };\nstruct z zz = { .id_table = x };\n\
         MODULE_ALIAS(\"platform:rtc_cmos\"); MODULE_ALIAS_SCSI_DEVICE(TYPE_DISK); MODULE_ALIAS(\"fs-ext4\");\n",
    );
    assert_eq!(
        found.patterns,
        [
            "acpi*:ACPI0013:*",
            "acpi*:LNRO0005:*",
            "acpi*:PNP0501:*",
            "platform:rtc_cmos",
            "platform:vif",
            "pnp:dPNP0501*",
            "scsi:t-0x00*",
            "virtio:d00000001v*",
        ]
    );
    assert_eq!(found.not_understood, 0);
}

#[test]
fn a_pattern_ends_in_one_star() {
    let found = claimed(
        "static const struct serio_device_id s[] = { { .type = 2, .proto = 0x34, .id = 0xff, .extra = 0xff }, { 0 } };\n\
         MODULE_DEVICE_TABLE(serio, s);\n",
    );
    assert_eq!(found.patterns, ["serio:ty02pr34id*ex*"]);
}

#[test]
fn a_platform_driver_without_a_table_goes_by_its_name() {
    let found = claimed(
        "#define NAME \"serial8250\"\nstatic struct platform_driver a = {\n .probe = p, .driver = { .name = NAME, }, };\n\
         struct platform_driver b = { .driver = { .name = \"other\" }, .id_table = t };\n\
         static int f(struct platform_driver *d) { x.name = \"no\"; }\n",
    );
    assert_eq!(found.patterns, ["platform:serial8250"]);
}

#[test]
fn macros_that_stand_for_themselves_come_to_an_end() {
    let mut source = String::from("#define A B\n#define B A A\n#define C(x) C(x) C(x)\n");
    source.push_str("static const struct pci_device_id ids[] = { { A, C(C(C(1))), A } };\nMODULE_DEVICE_TABLE(pci, ids);\n");
    assert_eq!(claimed(&source).not_understood, 1);
}

proptest! {
    #[test]
    fn any_source_is_read(text in "(\\PC|\n|struct |pci_device_id |x\\[\\] = |\\{|\\}|MODULE_DEVICE_TABLE\\(pci, x\\)|#define |\\(|,){0,80}") {
        claimed(&format!("_device_id {text}"));
    }
}

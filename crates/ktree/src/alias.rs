//! Module aliases: which drivers claim a device.
//!
//! A device says what it is in one word, its modalias (`pci:v00008086d0000100E…`); a driver says what it takes as patterns of
//! such words (kernel: scripts/mod/file2alias.c writes them from the driver's device tables, modprobe matches them by fnmatch(3)).

use std::collections::BTreeMap;

/// The longest pattern or modalias that is looked at. file2alias.c writes at most 500 bytes, sysfs gives at most a page.
const LONGEST: usize = 4096;

/// Whether the modalias is one the pattern stands for.
///
/// The pattern's language is fnmatch(3)'s without flags, as modprobe uses it: `*`, `?`, `[…]` with ranges and `!` or `^`, and `\`.
/// A bracket that is never closed stands for itself. The time is bounded by the product of both lengths.
pub fn matches(pattern: &str, modalias: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), modalias.as_bytes());
    if pattern.len() > LONGEST || text.len() > LONGEST {
        return false;
    }
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last star, should what follows it not fit: one more byte goes to the star.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, seen));
            at += 1;
            continue;
        }
        match one(&pattern[at..], text[seen]) {
            Some(length) => {
                at += length;
                seen += 1;
            }
            None => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (at, seen) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// The length of the pattern's first element, if it takes this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        b'[' => match bracket(pattern, byte) {
            Some((length, taken)) => taken.then_some(length),
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte).then_some(1),
    }
}

/// The length of a bracket expression, and whether it takes this byte; nothing if it is never closed.
fn bracket(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut taken = false;
    loop {
        match *pattern.get(at)? {
            b']' if at > first => return Some((at + 1, taken != negated)),
            low => {
                let is_range = pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2) != Some(&b']');
                let high = if is_range { *pattern.get(at + 2)? } else { low };
                taken |= (low..=high).contains(&byte);
                at += if is_range { 3 } else { 1 };
            }
        }
    }
}

/// How much of a pattern is said outright: patterns that name more fit fewer devices.
pub fn weight(pattern: &str) -> usize {
    let mut weight = 0;
    let mut inside = false;
    for byte in pattern.bytes() {
        match byte {
            b'[' => inside = true,
            b']' if inside => {
                inside = false;
                weight += 1;
            }
            b'*' | b'?' => {}
            _ if inside => {}
            _ => weight += 1,
        }
    }
    weight
}

/// A driver and one of the patterns by which it claims a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'t> {
    /// The driver as the kernel's tree names it: the path of its object without ".o", `drivers/net/ethernet/intel/e1000/e1000`.
    pub driver: &'t str,
    /// The pattern.
    pub pattern: &'t str,
}

/// What drivers claim: patterns, by the part of them before the first colon.
#[derive(Clone, Debug, Default)]
pub struct AliasTable {
    drivers: Vec<String>,
    numbers: BTreeMap<String, usize>,
    by_bus: BTreeMap<String, Vec<(String, usize)>>,
    count: usize,
}

impl AliasTable {
    /// A table without drivers.
    pub fn new() -> AliasTable {
        AliasTable::default()
    }

    /// Adds a driver; one that claims nothing is known all the same.
    pub fn driver(&mut self, driver: &str) -> usize {
        if let Some(&number) = self.numbers.get(driver) {
            return number;
        }
        self.drivers.push(driver.to_string());
        self.numbers.insert(driver.to_string(), self.drivers.len() - 1);
        self.drivers.len() - 1
    }

    /// Adds a claim. Words that are no pattern of a device (`fs-ext4`, `char-major-…`, `crypto-…`) have no colon, and no device
    /// has such a modalias: they are left out.
    pub fn claim(&mut self, driver: &str, pattern: &str) {
        let number = self.driver(driver);
        if pattern.len() > LONGEST {
            return;
        }
        let Some((bus, _)) = pattern.split_once(':') else { return };
        let claims = self.by_bus.entry(bus_key(bus).to_string()).or_default();
        claims.push((pattern.to_string(), number));
        self.count += 1;
    }

    /// Who claims a device, the one that names most of it first; each driver once.
    pub fn claims(&self, modalias: &str) -> Vec<Claim<'_>> {
        let Some((bus, _)) = modalias.split_once(':') else { return Vec::new() };
        let Some(claims) = self.by_bus.get(bus_key(bus)) else { return Vec::new() };
        let fitting = claims.iter().filter(|(pattern, _)| matches(pattern, modalias));
        let mut found: Vec<(usize, Claim)> = fitting
            .map(|(pattern, number)| (weight(pattern), Claim { driver: &self.drivers[*number], pattern }))
            .collect();
        found.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.driver.cmp(right.1.driver)));
        let mut once: Vec<Claim> = Vec::new();
        for (_, claim) in found {
            if !once.iter().any(|known| known.driver == claim.driver) {
                once.push(claim);
            }
        }
        once
    }

    /// All drivers, in the order they were added.
    pub fn drivers(&self) -> impl Iterator<Item = &str> {
        self.drivers.iter().map(String::as_str)
    }

    /// All claims: the driver and the pattern.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let claims = self.by_bus.values().flatten();
        claims.map(|(pattern, number)| (self.drivers[*number].as_str(), pattern.as_str()))
    }

    /// All claims of a bus ("pci").
    pub fn of_bus(&self, bus: &str) -> impl Iterator<Item = Claim<'_>> {
        let claims = self.by_bus.get(bus_key(bus)).map(Vec::as_slice).unwrap_or_default();
        claims.iter().map(|(pattern, number)| Claim { driver: &self.drivers[*number], pattern })
    }

    /// How many claims there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody claims anything.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One line per driver, `driver PATH`, and per claim below it, `alias PATTERN`: what [`AliasTable::parse`] reads.
    pub fn text(&self) -> String {
        let mut claims: Vec<Vec<&str>> = vec![Vec::new(); self.drivers.len()];
        for (pattern, number) in self.by_bus.values().flatten() {
            claims[*number].push(pattern);
        }
        let mut text = String::new();
        for (driver, patterns) in self.drivers.iter().zip(claims) {
            text.push_str(&format!("driver {driver}\n"));
            patterns.iter().for_each(|pattern| text.push_str(&format!("alias {pattern}\n")));
        }
        text
    }

    /// Reads what [`AliasTable::text`] wrote; lines it does not know are left out.
    pub fn parse(text: &str) -> AliasTable {
        let mut table = AliasTable::new();
        let mut driver = None;
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("driver", path)) => {
                    table.driver(path);
                    driver = Some(path);
                }
                Some(("alias", pattern)) => {
                    if let Some(driver) = driver {
                        table.claim(driver, pattern);
                    }
                }
                _ => {}
            }
        }
        table
    }

    /// Adds all that another table has.
    pub fn extend(&mut self, other: &AliasTable) {
        other.drivers.iter().for_each(|driver| {
            self.driver(driver);
        });
        for (pattern, number) in other.by_bus.values().flatten() {
            self.claim(&other.drivers[*number], pattern);
        }
    }
}

/// file2alias.c writes a pattern of ACPI as `acpi*:PNP0501:*`, to fit a device of several names.
fn bus_key(bus: &str) -> &str {
    bus.trim_end_matches('*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const E1000: &str = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00";

    #[test]
    fn patterns_of_every_kind_fit_what_they_should() {
        for (pattern, text) in [
            ("pci:v00008086d0000100Esv*sd*bc*sc*i*", E1000),
            ("pci:v*d*sv*sd*bc02sc00i*", E1000),
            ("acpi*:PNP0501:*", "acpi:PNP0501:"),
            ("acpi*:PNP0501:*", "acpi:QEMU0001:PNP0501:"),
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4"),
            ("xen:vif", "xen:vif"),
            ("scsi:t-0x00*", "scsi:t-0x00"),
            ("dmi*:bvnA[0-9a-f]?:*", "dmi:bvnAcx:x"),
            ("usb:v1234p*d00[0-2]*", "usb:v1234p5678d0019"),
            ("a[!b]c", "axc"),
            ("a[]]c", "a]c"),
            ("a[b", "a[b"),
            (r"a\*b", "a*b"),
            ("*", ""),
            ("", ""),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("pci:v00008086d0000100Fsv*sd*bc*sc*i*", E1000),
            ("virtio:d00000001v*", "virtio:d00000002v00001AF4"),
            ("usb:v1234p*d00[0-2]*", "usb:v1234p5678d0039"),
            ("a[!b]c", "abc"),
            ("a?", "a"),
            ("a", "ab"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_after_a_star_takes_no_time() {
        let pattern = "*a".repeat(1000);
        let text = "a".repeat(3000) + "b";
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn who_names_most_of_a_device_is_named_first() {
        let mut table = AliasTable::new();
        table.claim("drivers/ata/ata_generic", "pci:v*d*sv*sd*bc01sc01i*");
        table.claim("drivers/ata/ata_piix", "pci:v00008086d00007010sv*sd*bc*sc*i*");
        table.claim("drivers/ata/ata_piix", "pci:v00008086d00007111sv*sd*bc*sc*i*");
        table.claim("fs/ext4/ext4", "fs-ext4");
        let found = table.claims("pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80");
        let drivers: Vec<&str> = found.iter().map(|claim| claim.driver).collect();
        assert_eq!(drivers, ["drivers/ata/ata_piix", "drivers/ata/ata_generic"]);
        assert_eq!(table.len(), 3);
        let again = AliasTable::parse(&table.text());
        assert_eq!(again.text(), table.text());
        assert_eq!(again.drivers().count(), 3);
        assert!(table.claims("nonsense").is_empty());
    }

    proptest! {
        #[test]
        fn any_pattern_on_any_text_ends(pattern in "\\PC{0,60}", text in "\\PC{0,60}") {
            matches(&pattern, &text);
            weight(&pattern);
        }

        #[test]
        fn a_text_fits_itself_behind_stars(text in "[a-zA-Z0-9:]{1,40}") {
            prop_assert!(matches(&text, &text));
            let starred = format!("*{text}*");
            let longer = format!("x{text}y");
            prop_assert!(matches(&starred, &longer));
        }

        #[test]
        fn a_table_is_what_its_text_says(lines in proptest::collection::vec(("[a-z/]{1,12}", "[a-z]{1,4}:[A-Z0-9*]{0,12}"), 0..20)) {
            let mut table = AliasTable::new();
            lines.iter().for_each(|(driver, pattern)| table.claim(driver, pattern));
            let again = AliasTable::parse(&table.text());
            prop_assert_eq!(again.len(), table.len());
        }
    }
}

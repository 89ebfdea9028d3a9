//! What `lspci -nn` prints (pciutils, lspci(8)), pasted by somebody: also with -n, -v, -k and -D, and with lines around it.

use crate::device::{Bound, Device, Found, PciIdentity};

/// More lines than the PCI buses of any machine fill (a bus has 256 functions, and 256 buses are a domain).
const MOST_LINES: usize = 1 << 18;

/// What was understood, and what was not.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The devices, in order.
    pub devices: Vec<Device>,
    /// Lines, from 1, that begin with an address on a bus and have no identifiers: `lspci` without -nn.
    pub without_identifiers: Vec<usize>,
    /// Whether some lines were not looked at, being too many.
    pub cut: bool,
}

/// Reads a listing. Never fails: lines that are none of lspci's are passed over.
pub fn parse(text: &str) -> Listing {
    let mut listing = Listing::default();
    for (index, line) in text.lines().enumerate() {
        if index >= MOST_LINES {
            listing.cut = true;
            break;
        }
        let line = line.trim_end();
        if let Some((address, rest)) = addressed(line.trim_start()) {
            match device(address, rest) {
                Some(device) => listing.devices.push(device),
                None => listing.without_identifiers.push(index + 1),
            }
        } else if let Some(last) = listing.devices.last_mut() {
            detail(last, line.trim());
        }
    }
    listing
}

/// `[DOMAIN:]BUS:DEVICE.FUNCTION`, and what follows.
fn addressed(line: &str) -> Option<(&str, &str)> {
    let (address, rest) = line.split_once(char::is_whitespace)?;
    let parts: Vec<&str> = address.split([':', '.']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_hex = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_form = matches!(lengths.as_slice(), [2, 2, 1] | [4..=8, 2, 2, 1]) && address.contains('.');
    (is_hex && is_form).then_some((address, rest.trim_start()))
}

/// `Ethernet controller [0200]: Intel Corporation 82540EM … [8086:100e] (rev 03)`, or with -n `0200: 8086:100e (rev 03)`.
fn device(address: &str, rest: &str) -> Option<Device> {
    let (class, name, vendor, number) = match rest.split_once("]: ") {
        Some((kind, after)) => {
            let class = four_digits(kind.rsplit_once('[')?.1)?;
            let (vendor, number, start) = pair_in_brackets(after)?;
            (class, Some(after[..start].trim().to_string()), vendor, number)
        }
        None => {
            let (class, after) = rest.split_once(": ")?;
            let (vendor, number) = pair(after.split_whitespace().next()?)?;
            (four_digits(class.trim())?, None, vendor, number)
        }
    };
    let interface = interface(rest).unwrap_or(usual_interface(class));
    let identity = PciIdentity {
        vendor,
        device: number,
        subsystem_vendor: 0,
        subsystem_device: 0,
        class: class << 8 | interface,
    };
    let address = if address.len() == 7 { format!("0000:{address}") } else { address.to_string() };
    let name = name.filter(|name| !name.is_empty());
    Some(Device { address, name, ..Device::new(identity.to_string(), Found::Pci) })
}

/// A line below a device: its board, the driver that has it.
fn detail(device: &mut Device, line: &str) {
    if let Some(rest) = line.strip_prefix("Subsystem: ") {
        let pair =
            pair_in_brackets(rest).map(|(vendor, number, _)| (vendor, number)).or_else(|| pair(rest.trim()));
        let identity = PciIdentity::parse(device.identity());
        if let (Some((subsystem_vendor, subsystem_device)), Some(identity)) = (pair, identity) {
            let identity = PciIdentity { subsystem_vendor, subsystem_device, ..identity };
            device.identities = vec![identity.to_string()];
        }
    } else if let Some(driver) = line.strip_prefix("Kernel driver in use: ") {
        device.bound = Some(Bound { driver: driver.trim().to_string(), module: None });
    }
}

/// The last `[vvvv:dddd]` of a text, and where its bracket is.
fn pair_in_brackets(text: &str) -> Option<(u32, u32, usize)> {
    let mut end = text.len();
    while let Some(start) = text[..end].rfind('[') {
        if let Some((vendor, device)) = text[start + 1..].split(']').next().and_then(pair) {
            return Some((vendor, device, start));
        }
        end = start;
    }
    None
}

/// `vvvv:dddd`
fn pair(text: &str) -> Option<(u32, u32)> {
    let (vendor, device) = text.split_once(':')?;
    Some((four_digits(vendor)?, four_digits(device)?))
}

fn four_digits(text: &str) -> Option<u32> {
    let is_number = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(text, 16).ok())?
}

/// `(prog-if 01 [AHCI 1.0])`
fn interface(text: &str) -> Option<u32> {
    let digits = text.split_once("(prog-if ")?.1.get(..2)?;
    u32::from_str_radix(digits, 16).ok()
}

/// Without -v, lspci leaves the programming interface out. By it some drivers claim all devices of their class, so the one that
/// such devices have nearly always is taken: AHCI, NVM Express, bus-mastering IDE, xHCI.
fn usual_interface(class: u32) -> u32 {
    match class {
        0x0101 => 0x80,
        0x0106 => 0x01,
        0x0108 => 0x02,
        0x0c03 => 0x30,
        0x0700 => 0x02,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = "\
$ lspci -nnk
00:00.0 Host bridge [0600]: Intel Corporation 440FX - 82441FX PMC [Natoma] [8086:1237] (rev 02)
\tSubsystem: Red Hat, Inc. Qemu virtual machine [1af4:1100]
00:1f.2 SATA controller [0106]: Intel Corporation 82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode] [8086:2922] (rev 02)
\tKernel driver in use: ahci
10000:e1:00.0 Non-Volatile memory controller [0108]: Amazon.com, Inc. Device [1d0f:8061] (prog-if 02 [NVM Express])
00:03.0 0200: 8086:100e (rev 03)
";

    #[test]
    fn a_listing_is_read_with_boards_drivers_and_names_that_have_brackets() {
        let listing = parse(SAMPLE);
        let identities: Vec<&str> = listing.devices.iter().map(Device::identity).collect();
        assert_eq!(
            identities,
            [
                "pci:v00008086d00001237sv00001AF4sd00001100bc06sc00i00",
                "pci:v00008086d00002922sv00000000sd00000000bc01sc06i01",
                "pci:v00001D0Fd00008061sv00000000sd00000000bc01sc08i02",
                "pci:v00008086d0000100Esv00000000sd00000000bc02sc00i00",
            ]
        );
        let sata = &listing.devices[1];
        assert_eq!(sata.address, "0000:00:1f.2");
        assert!(sata.name.as_ref().unwrap().ends_with("SATA Controller [AHCI mode]"));
        assert_eq!(sata.bound.as_ref().unwrap().driver, "ahci");
        assert!(listing.without_identifiers.is_empty());
    }

    #[test]
    fn a_listing_without_identifiers_is_noticed() {
        let listing = parse("00:00.0 Host bridge: Intel Corporation 440FX (rev 02)\nhello\n");
        assert!(listing.devices.is_empty());
        assert_eq!(listing.without_identifiers, [1]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(\\PC|\n|\\[|\\]|:){0,200}") {
            parse(&text);
        }

        #[test]
        fn damaged_listings_are_read(at in 0_usize..600, with in "\\PC{0,3}", cut in 0_usize..40) {
            let mut text: Vec<char> = SAMPLE.chars().collect();
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.splice(at..end, with.chars());
            parse(&text.into_iter().collect::<String>());
        }
    }
}

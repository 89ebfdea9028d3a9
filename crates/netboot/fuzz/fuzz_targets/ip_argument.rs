//! Lines of a person's as address, host name, device, gateway and resolvers: refused, or one word whose every field the
//! kernel reads as it was meant (Documentation/admin-guide/nfs/nfsroot.rst).
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use netboot::{IpArgument, StaticAddress};

/// client:server:gateway:netmask:hostname:device:autoconf, and two resolvers.
const FEWEST_FIELDS: usize = 7;
const MOST_FIELDS: usize = 9;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (address, hostname, device, gateway) = (line(), line(), line(), line());
    let gateway: Option<Ipv4Addr> = gateway.parse().ok();
    let resolvers: Vec<Ipv4Addr> = lines.filter_map(|line| line.parse().ok()).collect();
    if let Ok(argument) = IpArgument::dhcp(hostname, device) {
        assert_eq!(fields(&argument), ["", "", "", "", hostname, device, "dhcp"]);
    }
    let address: StaticAddress = match address.parse() {
        Ok(address) => address,
        Err(refused) => return assert!(!refused.to_string().is_empty()),
    };
    assert_eq!(address.network() & address.netmask(), address.network());
    let Ok(argument) = IpArgument::fixed(address, gateway, hostname, device, &resolvers) else { return };
    let fields = fields(&argument);
    assert!((FEWEST_FIELDS..=MOST_FIELDS).contains(&fields.len()), "{argument}");
    assert_eq!(fields[0].parse(), Ok(address.address));
    assert_eq!(fields[2].parse().ok(), gateway);
    assert_eq!(fields[3].parse(), Ok(address.netmask()));
    assert_eq!(fields[4..7], [hostname, device, "off"]);
    let read: Vec<Ipv4Addr> = fields[7..].iter().map(|field| field.parse().unwrap()).collect();
    assert_eq!(read, resolvers);
});

/// The fields of the word, which the kernel ends at white space and takes apart at colons.
fn fields(argument: &IpArgument) -> Vec<String> {
    let word = argument.to_string();
    assert!(word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'), "{word:?}");
    let fields = word.strip_prefix("ip=").expect("the argument names itself");
    fields.split(':').map(String::from).collect()
}

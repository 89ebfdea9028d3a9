//! The kernel's `ip=` (kernel: net/ipv4/ipconfig.c, `ip_auto_config_setup`;
//! Documentation/admin-guide/nfs/nfsroot.rst):
//! `client:server:gateway:netmask:hostname:device:autoconf:dns0:dns1:ntp0`.
//!
//! The kernel checks little of it: a mask of `24`, a gateway off the link or a missing device end in a
//! node that cannot be reached, in silence. So what is made here is checked here.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What is wrong with an address or a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpError {
    /// Neither `ADDRESS/PREFIX` nor `dhcp`.
    #[error(
        "expected an address with its prefix length such as \"10.0.2.15/24\", or \"dhcp\"; found \"{0}\""
    )]
    Address(String),
    /// The prefix length leaves no room for hosts, or the address is not one a host can have.
    #[error("{0} is not an address a host can have")]
    NotAHost(String),
    /// The kernel would not set a default route to it.
    #[error("the gateway {gateway} is not on the link {network}, so the kernel would set no default route")]
    GatewayOffLink {
        /// The gateway.
        gateway: Ipv4Addr,
        /// The link's network.
        network: String,
    },
    /// `ip=` separates its fields by colons, and its words by spaces.
    #[error("\"{0}\" cannot be a host name: letters, digits and - only, at most 63 of them")]
    Hostname(String),
    /// A device name the kernel could not have.
    #[error("\"{0}\" cannot be a network device's name: at most 15 letters, digits, - and _")]
    Device(String),
    /// `ip=` carries two.
    #[error("ip= carries two resolvers, and {0} were asked for")]
    TooManyResolvers(usize),
}

/// An IPv4 address with its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The host's address.
    pub address: Ipv4Addr,
    /// Bits of the network part, 1 to 30.
    pub prefix: u8,
}

impl FromStr for StaticAddress {
    type Err = IpError;

    fn from_str(text: &str) -> Result<StaticAddress, IpError> {
        let wrong = || IpError::Address(text.into());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let made = StaticAddress { address, prefix };
        if !(1..=30).contains(&prefix) || !made.is_host() {
            return Err(IpError::NotAHost(text.into()));
        }
        Ok(made)
    }
}

impl StaticAddress {
    /// The netmask as an address, which is the form `ip=` takes.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX << (32 - u32::from(self.prefix)))
    }

    /// The network's own address.
    pub fn network(self) -> Ipv4Addr {
        self.address & self.netmask()
    }

    fn is_host(self) -> bool {
        let last = self.network() | !self.netmask();
        let address = self.address;
        let special = address.is_loopback() || address.is_multicast() || address.is_unspecified();
        !special && address != self.network() && address != last && address.octets()[0] < 240
    }

    fn holds(self, other: Ipv4Addr) -> bool {
        other & self.netmask() == self.network()
    }
}

/// A checked `ip=` argument; its `Display` is the whole word, `ip=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpArgument(String);

impl IpArgument {
    /// A fixed address on `device`. The device is always named: with two network cards the kernel would
    /// otherwise drop the address and ask DHCP.
    pub fn fixed(
        address: StaticAddress,
        gateway: Option<Ipv4Addr>,
        hostname: &str,
        device: &str,
        resolvers: &[Ipv4Addr],
    ) -> Result<IpArgument, IpError> {
        check_names(hostname, device)?;
        if let Some(gateway) = gateway
            && !address.holds(gateway)
        {
            let network = format!("{}/{}", address.network(), address.prefix);
            return Err(IpError::GatewayOffLink { gateway, network });
        }
        if resolvers.len() > 2 {
            return Err(IpError::TooManyResolvers(resolvers.len()));
        }
        let gateway = gateway.map(|it| it.to_string()).unwrap_or_default();
        let mut text =
            format!("ip={}::{gateway}:{}:{hostname}:{device}:off", address.address, address.netmask());
        for resolver in resolvers {
            text.push(':');
            text.push_str(&resolver.to_string());
        }
        Ok(IpArgument(text))
    }

    /// DHCP by the kernel on `device`.
    pub fn dhcp(hostname: &str, device: &str) -> Result<IpArgument, IpError> {
        check_names(hostname, device)?;
        Ok(IpArgument(format!("ip=::::{hostname}:{device}:dhcp")))
    }
}

impl fmt::Display for IpArgument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A host name by RFC 1123's letters, without dots: the kernel takes what follows a dot as an NIS domain.
/// A device by the kernel's `dev_valid_name` (net/core/dev.c), narrowed to letters that need no quoting.
fn check_names(hostname: &str, device: &str) -> Result<(), IpError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let edge = hostname.starts_with('-') || hostname.ends_with('-');
    if hostname.is_empty() || hostname.len() > 63 || edge || !hostname.bytes().all(plain) {
        return Err(IpError::Hostname(hostname.into()));
    }
    if device.is_empty() || device.len() > 15 || !device.bytes().all(|byte| plain(byte) || byte == b'_') {
        return Err(IpError::Device(device.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> StaticAddress {
        text.parse().unwrap()
    }

    #[test]
    fn a_fixed_address_has_every_field_in_its_place() {
        let ip = IpArgument::fixed(
            address("10.0.2.15/24"),
            Some(Ipv4Addr::new(10, 0, 2, 2)),
            "node",
            "eth0",
            &[Ipv4Addr::new(10, 0, 2, 3)],
        );
        assert_eq!(ip.unwrap().to_string(), "ip=10.0.2.15::10.0.2.2:255.255.255.0:node:eth0:off:10.0.2.3");
    }

    #[test]
    fn dhcp_names_the_device() {
        assert_eq!(IpArgument::dhcp("node", "eth0").unwrap().to_string(), "ip=::::node:eth0:dhcp");
    }

    #[test]
    fn what_the_kernel_would_swallow_is_refused() {
        for wrong in
            ["10.0.2.15", "10.0.2.15/33", "10.0.2.15/", "10.0.2/24", "dhcpd", "10.0.2.0/24", "10.0.2.255/24"]
        {
            assert!(wrong.parse::<StaticAddress>().is_err(), "{wrong}");
        }
        let far =
            IpArgument::fixed(address("10.0.2.15/24"), Some(Ipv4Addr::new(10, 0, 3, 2)), "node", "eth0", &[]);
        assert!(matches!(far, Err(IpError::GatewayOffLink { .. })));
        for (hostname, device) in [("a.b", "eth0"), ("a:b", "eth0"), ("", "eth0"), ("a", "eth 0"), ("a", "")]
        {
            assert!(IpArgument::dhcp(hostname, device).is_err(), "{hostname} {device}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<StaticAddress>();
        }

        #[test]
        fn a_host_is_on_its_own_network(bits in any::<u32>(), prefix in 1u8..=30) {
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(bits));
            if let Ok(parsed) = text.parse::<StaticAddress>() {
                prop_assert!(parsed.holds(parsed.address));
            }
        }
    }
}

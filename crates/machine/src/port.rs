//! A free TCP port on loopback that stays ours until QEMU listens on it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use base::{Context, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A bound socket that does not listen. While it lives nobody is given its port by chance (neither bind(2) to port 0 nor
/// connect(2) hands out a bound port), yet QEMU can listen there: both sockets carry SO_REUSEADDR, and Linux
/// lets two such share a port as long as at most one of them listens (socket(7), net/ipv4/inet_connection_sock.c
/// inet_csk_bind_conflict). The option is set only after the bind, so that the port is ours alone at first.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _socket: OwnedFd,
}

impl ReservedPort {
    /// Reserves `wanted` on 127.0.0.1, or any free port.
    ///
    /// # Errors
    /// The port is taken.
    pub fn new(wanted: Option<u16>) -> Result<ReservedPort> {
        let describe = || match wanted {
            Some(port) => format!("port {port} on 127.0.0.1 cannot be had"),
            None => "no free port on 127.0.0.1".to_string(),
        };
        let reserve = || -> rustix::io::Result<ReservedPort> {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            if wanted.is_some() {
                // A port named by a person may still be in TIME_WAIT from the run before.
                sockopt::set_socket_reuseaddr(&socket, true)?;
            }
            bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, wanted.unwrap_or(0)))?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
            Ok(ReservedPort { port: address.port(), _socket: socket })
        };
        reserve().map_err(std::io::Error::from).context(describe)
    }

    /// The port's number.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_reserved_port_is_given_to_nobody_but_can_be_listened_on() {
        let reserved: Vec<ReservedPort> = (0..200).map(|_| ReservedPort::new(None).unwrap()).collect();
        let mut ports: Vec<u16> = reserved.iter().map(ReservedPort::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200, "two reservations share a port");
        // The standard library sets SO_REUSEADDR before it binds, as libslirp does.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
        assert!(std::net::TcpStream::connect(listener.local_addr().unwrap()).is_ok());
        assert!(ReservedPort::new(Some(ports[0])).is_err(), "somebody listens there");
    }
}

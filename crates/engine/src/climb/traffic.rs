//! TCP between host and guest, both ways, over loopback and QEMU's user network.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base::{Cancel, Context, Result};

/// What the host says to the guest that asks it.
const HOST_SAYS: &str = "a line from the host\n";
/// What the guest says to the host (`ladder/network.sh`).
const GUEST_SAYS: &str = "a line from the guest";
/// How often a wait looks again.
const INTERVAL: Duration = Duration::from_millis(50);
/// Most bytes read from the guest.
const READ_LIMIT: u64 = 4096;

/// A port on 127.0.0.1 where the guest can fetch a line; it reaches it as 10.0.2.2.
pub(super) struct Traffic {
    listener: TcpListener,
    port: u16,
}

impl Traffic {
    /// Opens the port.
    ///
    /// # Errors
    /// There is no loopback.
    pub fn open() -> Result<Traffic> {
        let told = || "cannot listen on 127.0.0.1".to_string();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(told)?;
        listener.set_nonblocking(true).context(told)?;
        let port = listener.local_addr().context(told)?.port();
        Ok(Traffic { listener, port })
    }

    /// The word that tells the guest which port.
    pub fn word(&self) -> String {
        format!("traffic.port={}", self.port)
    }

    /// Serves the guest once and asks it once, at the forwarded port; evidence lines, or what did not happen.
    ///
    /// # Errors
    /// Cancelled.
    pub fn exchange(
        &self,
        forwarded: u16,
        limit: Duration,
        cancel: &Cancel,
    ) -> Result<Result<Vec<String>, String>> {
        let deadline = Instant::now() + limit;
        let mut lines = Vec::new();
        loop {
            cancel.check()?;
            if let Ok((mut stream, _)) = self.listener.accept() {
                let _ = stream.set_write_timeout(Some(INTERVAL * 20));
                if stream.write_all(HOST_SAYS.as_bytes()).is_ok() {
                    lines.push(format!("the guest fetched from the host: {}", HOST_SAYS.trim_end()));
                    break;
                }
            }
            if Instant::now() > deadline {
                return Ok(Err("the guest did not connect to the host".to_string()));
            }
            std::thread::sleep(INTERVAL);
        }
        loop {
            cancel.check()?;
            if ask(forwarded).is_some_and(|said| said.contains(GUEST_SAYS)) {
                lines.push(format!("the host fetched from the guest: {GUEST_SAYS}"));
                return Ok(Ok(lines));
            }
            if Instant::now() > deadline {
                return Ok(Err("the host could not fetch a line from the guest".to_string()));
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

fn ask(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, INTERVAL * 20).ok()?;
    stream.set_read_timeout(Some(INTERVAL * 20)).ok()?;
    let mut said = Vec::new();
    // What came before a timeout counts too.
    let _ = stream.take(READ_LIMIT).read_to_end(&mut said);
    Some(String::from_utf8_lossy(&said).into_owned())
}

//! One download over HTTP(S): into a file that a broken transfer leaves behind, to go on from there.
//!
//! Every wait has a limit: resolving and connecting one, and each read one ("stalled"). The length is bounded
//! before the first byte is written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use base::{Cancel, Context, Error, Result, Size, Task, Unit};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, http};

/// The most that is accepted where nothing announced a length. The largest source we know, a kernel with
/// its history left out, has 0.2 GB.
const LENGTH_LIMIT: u64 = 8 << 30;
/// How often a wait looks at the cancel flag.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);
/// Longest validator kept; a real ETag has some 40 bytes.
const VALIDATOR_LIMIT: usize = 1024;

/// Deadlines of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the name and for the connection, each.
    pub connect: Duration,
    /// For each piece of data: so long nothing at all may come.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connect: Duration::from_secs(10), stall: Duration::from_secs(30) }
    }
}

/// What to download.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    /// Refuse to go on over plain HTTP (where no hash vouches for the content).
    pub(crate) https_only: bool,
    /// A proxy other than the environment's.
    pub(crate) proxy: Option<&'a str>,
    /// The length, where it is known beforehand.
    pub(crate) length: Option<u64>,
    /// Whether a hash will tell whether two halves belong together, even when the server cannot.
    pub(crate) checked: bool,
    pub(crate) limits: Limits,
}

/// Why a download did not work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody answered: no such host, no connection, no TLS.
    Unreachable(String),
    /// It answered and does not give the file.
    Refused(String),
    /// The transfer broke off.
    Broken(String),
    /// It gave something else: the hash is wrong.
    WrongHash(String),
    /// It is not the other side's doing (disk, Ctrl-C): no other origin will help.
    Ours(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

/// What a broken transfer left: the bytes so far, and what identifies the file they are from.
#[derive(Debug)]
pub(crate) struct Partial {
    folder: PathBuf,
}

impl Partial {
    pub(crate) fn at(folder: PathBuf) -> Result<Partial> {
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        Ok(Partial { folder })
    }

    /// The bytes so far.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn validator_path(&self) -> PathBuf {
        self.folder.join("validator")
    }

    pub(crate) fn length(&self) -> u64 {
        fs::metadata(self.data()).map_or(0, |metadata| metadata.len())
    }

    /// The ETag or date to send as If-Range (RFC 9110, 13.1.5).
    fn validator(&self) -> Option<String> {
        fs::read_to_string(self.validator_path()).ok().filter(|text| !text.is_empty())
    }

    pub(crate) fn discard(&self) -> Result<()> {
        crate::tree::remove(&self.folder)
    }

    /// Throws away what is there and remembers what the new bytes belong to.
    fn restart(&self, validator: &str) -> Result<()> {
        let failed = || format!("cannot write {}", self.folder.display());
        File::create(self.data()).context(failed)?;
        fs::write(self.validator_path(), validator).context(failed)
    }
}

/// Downloads to `partial`, going on where an earlier transfer broke off if the server can. Returns whether it
/// went on. On success all announced bytes are there, on the disk.
pub(crate) fn download(
    request: &Request<'_>,
    partial: &Partial,
    task: &Task,
    cancel: &Cancel,
) -> Result<bool, Trouble> {
    let have = partial.length();
    let validator = partial.validator();
    let resume = have > 0 && (validator.is_some() || request.checked);
    let agent = agent(request)?;
    let response = ask(&agent, request, resume.then_some((have, validator)), cancel)?;
    let status = response.status();
    if let Some(start) = resume.then(|| resumed_at(&response)).flatten() {
        if start != have {
            partial.discard()?;
            return Err(Trouble::Broken("went on at another place than asked for".into()));
        }
        receive(request, response, partial, have, &agent, task, cancel)?;
        return Ok(true);
    }
    match status.as_u16() {
        200 => {
            partial.restart(&strong_validator(&response))?;
            receive(request, response, partial, 0, &agent, task, cancel)?;
            Ok(false)
        }
        // Range Not Satisfiable: what we have is not a beginning of what is there now.
        416 if resume => {
            partial.discard()?;
            Err(Trouble::Broken("cannot go on where the last transfer broke off".into()))
        }
        code => {
            let reason = status.canonical_reason().unwrap_or("an unknown status");
            Err(Trouble::Refused(format!("{code} {reason}")))
        }
    }
}

fn agent(request: &Request<'_>) -> Result<Agent, Trouble> {
    // The platform's certificates, so that a machine's own CA settings (SSL_CERT_FILE) hold.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let mut config = Agent::config_builder()
        .tls_config(tls)
        .https_only(request.https_only)
        .http_status_as_error(false)
        .user_agent(concat!("allno/", env!("CARGO_PKG_VERSION")))
        // The bytes as they lie there: a hash is over these.
        .accept_encoding("identity")
        .timeout_resolve(Some(request.limits.connect))
        .timeout_connect(Some(request.limits.connect))
        .timeout_per_read(Some(request.limits.stall))
        .timeout_per_write(Some(request.limits.stall));
    if let Some(proxy) = request.proxy {
        let proxy =
            Proxy::new(proxy).map_err(|cause| Trouble::Unreachable(format!("the proxy {proxy}: {cause}")))?;
        config = config.proxy(Some(proxy));
    }
    Ok(config.build().new_agent())
}

/// Sends the request and waits for the response's head. Resolving and connecting cannot be interrupted, so
/// they run in a thread of their own, which is left behind (for at most their deadline) when we stop.
fn ask(
    agent: &Agent,
    request: &Request<'_>,
    resume: Option<(u64, Option<String>)>,
    cancel: &Cancel,
) -> Result<http::Response<Body>, Trouble> {
    let mut builder = agent.get(request.url);
    if let Some((have, validator)) = resume {
        builder = builder.header("Range", format!("bytes={have}-"));
        if let Some(validator) = validator {
            builder = builder.header("If-Range", validator);
        }
    }
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // When nobody waits any more the answer is not missed.
        let _ = sender.send(builder.call());
    });
    loop {
        match receiver.recv_timeout(CANCEL_INTERVAL) {
            Ok(answer) => return answer.map_err(|cause| trouble(cause, &request.limits)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if cancel.is_set() {
                    agent.clone().shutdown();
                    return Err(Error::cancelled().into());
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Error::failed(format!("the request for {} died", request.url)).into());
            }
        }
    }
}

/// Where a 206 response begins: `Content-Range: bytes 100-999/1000` (RFC 9110, 14.4).
fn resumed_at(response: &http::Response<Body>) -> Option<u64> {
    if response.status() != http::StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let range = header(response, "content-range")?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

fn header<'a>(response: &'a http::Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// A strong ETag, else the modification date, else nothing. A weak ETag (`W/"…"`) does not promise equal bytes and
/// must not be sent with If-Range (RFC 9110, 13.1.5).
fn strong_validator(response: &http::Response<Body>) -> String {
    let tag = header(response, "etag").filter(|tag| !tag.starts_with("W/"));
    let validator = tag.or_else(|| header(response, "last-modified")).unwrap_or_default();
    if validator.len() <= VALIDATOR_LIMIT { validator.to_string() } else { String::new() }
}

/// Appends the response's body to what is there.
fn receive(
    request: &Request<'_>,
    response: http::Response<Body>,
    partial: &Partial,
    have: u64,
    agent: &Agent,
    task: &Task,
    cancel: &Cancel,
) -> Result<(), Trouble> {
    let sent: Option<u64> = header(&response, "content-length").and_then(|text| text.trim().parse().ok());
    let total = sent.and_then(|sent| sent.checked_add(have)).or(request.length);
    let limit = request.length.or(total).unwrap_or(LENGTH_LIMIT);
    if total.is_some_and(|total| total > limit || request.length.is_some_and(|length| length != total)) {
        partial.discard()?;
        let total = total.unwrap_or_default();
        return Err(Trouble::Refused(format!("{total} bytes long, where {limit} were announced")));
    }
    let mut file = open_end(&partial.data(), have)?;
    let mut body = response.into_body().into_with_config().limit(limit - have + 1).reader();
    let finished = AtomicBool::new(false);
    let copied = std::thread::scope(|scope| {
        // A read may take as long as the stall limit; closing the connection ends it at once.
        scope.spawn(|| {
            while !finished.load(Ordering::Relaxed) {
                if cancel.is_set() {
                    agent.clone().shutdown();
                    return;
                }
                std::thread::park_timeout(CANCEL_INTERVAL);
            }
        });
        let copied = copy(&mut body, &mut file, have, total, limit, task, cancel, &request.limits);
        finished.store(true, Ordering::Relaxed);
        copied
    })?;
    if let Some(total) = total.filter(|total| *total != copied) {
        return Err(Trouble::Broken(format!("broke off after {} of {}", Size(copied), Size(total))));
    }
    file.sync_all().context(|| format!("cannot write {}", partial.data().display()))?;
    Ok(())
}

fn open_end(path: &Path, have: u64) -> Result<File> {
    let open = || -> io::Result<File> {
        let mut file = File::options().write(true).open(path)?;
        file.set_len(have)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    };
    open().context(|| format!("cannot write {}", path.display()))
}

#[expect(clippy::too_many_arguments, reason = "one loop, with all it looks at")]
fn copy(
    body: &mut impl Read,
    file: &mut File,
    mut done: u64,
    total: Option<u64>,
    limit: u64,
    task: &Task,
    cancel: &Cancel,
    limits: &Limits,
) -> Result<u64, Trouble> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        task.progress(done, total, Unit::Bytes);
        let read = body.read(&mut buffer);
        cancel.check()?;
        let count = match read {
            Ok(0) => return Ok(done),
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(broken(cause, done, limits)),
        };
        if done + count as u64 > limit {
            return Err(Trouble::Refused(format!("sends more than {}", Size(limit))));
        }
        file.write_all(&buffer[..count]).context(|| "cannot keep a download".into())?;
        done += count as u64;
    }
}

fn broken(cause: io::Error, done: u64, limits: &Limits) -> Trouble {
    let what = match trouble(ureq::Error::from(cause), limits) {
        Trouble::Unreachable(what) | Trouble::Refused(what) | Trouble::Broken(what) => what,
        other => return other,
    };
    Trouble::Broken(format!("{what}, after {}", Size(done)))
}

/// What an error of the HTTP client means for us, in words.
fn trouble(cause: ureq::Error, limits: &Limits) -> Trouble {
    use io::ErrorKind::*;
    use ureq::Timeout::{Connect, Resolve};
    let seconds = |limit: Duration| format!("{} s", limit.as_secs_f32());
    match cause {
        ureq::Error::HostNotFound => Trouble::Unreachable("no such host".into()),
        ureq::Error::Timeout(Resolve) => {
            Trouble::Unreachable(format!("its name was not resolved within {}", seconds(limits.connect)))
        }
        ureq::Error::Timeout(Connect) => {
            Trouble::Unreachable(format!("no connection within {}", seconds(limits.connect)))
        }
        ureq::Error::Timeout(_) => Trouble::Broken(format!("nothing came for {}", seconds(limits.stall))),
        ureq::Error::Rustls(cause) => Trouble::Unreachable(format!("TLS: {cause}")),
        ureq::Error::Tls(cause) => Trouble::Unreachable(format!("TLS: {cause}")),
        ureq::Error::ConnectionFailed => Trouble::Unreachable("no connection".into()),
        ureq::Error::ConnectProxyFailed(cause) => Trouble::Unreachable(format!("the proxy refused: {cause}")),
        ureq::Error::Io(cause) => match cause.kind() {
            ConnectionRefused => Trouble::Unreachable("connection refused".into()),
            HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => {
                Trouble::Unreachable("the network cannot reach it".into())
            }
            // rustls reports a failed handshake through io::Error.
            InvalidData => Trouble::Unreachable(format!("TLS: {cause}")),
            UnexpectedEof => Trouble::Broken("the connection was closed".into()),
            ConnectionReset | BrokenPipe | ConnectionAborted => {
                Trouble::Broken("the connection was reset".into())
            }
            // The resolver's errors (getaddrinfo(3)) have no kind of their own.
            _ if cause.to_string().contains("lookup address") => Trouble::Unreachable("no such host".into()),
            _ => Trouble::Broken(cause.to_string()),
        },
        other => Trouble::Refused(other.to_string()),
    }
}

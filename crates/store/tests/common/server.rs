//! A small HTTP server on loopback that plays upstream, well or badly.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, as far as a test cares.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

/// Answers one request on its connection, which is closed afterwards.
pub type Answer = dyn Fn(&Asked, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// Serves until it is dropped.
pub struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// `answer` gets the request and how many came before it.
    pub fn start(
        answer: impl Fn(&Asked, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// The same on a listener that is there already.
    pub fn on(
        listener: TcpListener,
        answer: impl Fn(&Asked, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (asked, stop, answer) = (asked.clone(), stop.clone(), Arc::new(answer));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let (asked, answer) = (asked.clone(), answer.clone());
                    std::thread::spawn(move || serve(stream.unwrap(), &asked, &*answer));
                }
            }
        });
        Server { address, asked, stop, thread: Some(thread) }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &Answer) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut asked = Asked::default();
    for (number, line) in BufReader::new(stream.try_clone().unwrap()).lines().enumerate() {
        let Ok(line) = line else { return };
        if number == 0 {
            asked.path = line.split(' ').nth(1).unwrap_or_default().to_string();
        }
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.to_string()),
            "if-range" => asked.if_range = Some(value.to_string()),
            _ => {}
        }
    }
    if asked.path.is_empty() {
        return;
    }
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let _ = answer(&asked, before, &mut stream);
}

/// Sends a head and a body; the head says the body's real length.
pub fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    send_as(stream, status, headers, body.len(), body)
}

/// Sends a head that says `length`, and a body.
pub fn send_as(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    length: usize,
    body: &[u8],
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}

/// Serves `body` with `etag`, ranges included; an If-Range with another tag gets the whole.
pub fn send_range(stream: &mut TcpStream, asked: &Asked, etag: &str, body: &[u8]) -> std::io::Result<()> {
    let tag = format!("ETag: {etag}\r\nAccept-Ranges: bytes\r\n");
    let start = asked
        .range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match start {
        Some(start) if asked.if_range.as_deref().is_none_or(|wanted| wanted == etag) => {
            let start: usize = start;
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n{tag}", body.len() - 1, body.len());
            send(stream, "206 Partial Content", &range, &body[start..])
        }
        _ => send(stream, "200 OK", &tag, body),
    }
}

//! A repository of packages on this host's loopback, as a guest's apt sees it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::common::referee;

/// A folder served over HTTP on 127.0.0.1 until the test ends.
pub struct Server {
    port: u16,
    served: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(folder: PathBuf) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::<Mutex<Vec<String>>>::default();
        let kept = served.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, served) = (folder.clone(), kept.clone());
                std::thread::spawn(move || answer(stream, &folder, &served));
            }
        });
        Server { port, served }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The paths that were given.
    pub fn served(&self) -> Vec<String> {
        self.served.lock().unwrap().clone()
    }
}

/// One request after the other until the client goes.
fn answer(mut stream: TcpStream, folder: &Path, served: &Mutex<Vec<String>>) {
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        asked.extend_from_slice(&buffer[..count]);
        while let Some(end) = asked.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&asked[..end]).into_owned();
            asked.drain(..end + 4);
            let name = head.split(' ').nth(1).unwrap_or("/").replace("/./", "/");
            let file = folder.join(name.trim_start_matches('/'));
            let sound = !name.contains("..");
            let (status, body) = match std::fs::read(file).ok().filter(|_| sound) {
                Some(body) => {
                    served.lock().unwrap().push(name);
                    ("200 OK", body)
                }
                None => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
                return;
            }
        }
    }
}

/// A repository with one package, allno-hello; returns its folder.
pub fn repository(folder: &Path) -> PathBuf {
    let (tree, out) = (folder.join("package"), folder.join("repository"));
    for sub in ["DEBIAN", "usr/bin"] {
        std::fs::create_dir_all(tree.join(sub)).unwrap();
    }
    std::fs::create_dir_all(&out).unwrap();
    let control = "Package: allno-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\n\
                   Description: a package\n";
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let program = tree.join("usr/bin/allno-hello");
    std::fs::write(&program, "#!/bin/sh\necho hello from a package\n").unwrap();
    referee("chmod", &["755", program.to_str().unwrap()]);
    let name = "allno-hello_1.0_all.deb";
    let package = out.join(name);
    referee(
        "dpkg-deb",
        &["--root-owner-group", "--build", tree.to_str().unwrap(), package.to_str().unwrap()],
    );
    let hash = referee("sha256sum", &[package.to_str().unwrap()]);
    let hash = hash.split(' ').next().unwrap();
    let size = package.metadata().unwrap().len();
    let index = format!("{control}Filename: ./{name}\nSize: {size}\nSHA256: {hash}\n");
    std::fs::write(out.join("Packages"), index).unwrap();
    out
}

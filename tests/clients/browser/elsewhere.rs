//! Another site, which has one empty page at every address and records what it was
//! asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::TIMEOUT;

const PAGE: &str = "<!DOCTYPE html><title>Elsewhere</title><body></body>";

/// The site. It is there until the test program ends.
pub(crate) struct Elsewhere {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                // A browser connects before it has anything to ask.
                thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { address, heads }
    }

    /// The site as another port of the host that framecast is on. It is of the same site, but not
    /// of the same origin.
    pub(crate) fn next_door(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same site by another name, and so of another origin.
    pub(crate) fn far_away(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The heads of the requests for `path`, in small letters: there is at least one.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let line = format!("get {path} ");
        let heads = self.heads.lock().expect("the lock is not poisoned");
        let asked: Vec<String> = heads
            .iter()
            .filter(|head| head.starts_with(&line))
            .cloned()
            .collect();
        assert!(!asked.is_empty(), "no request for {path}: {heads:?}");
        asked
    }
}

fn answer(mut stream: TcpStream, heads: &Mutex<Vec<String>>) {
    let _ = stream.set_read_timeout(Some(TIMEOUT));
    let mut head = String::new();
    let mut lines = BufReader::new(&stream);
    while !head.ends_with("\r\n\r\n") {
        match lines.read_line(&mut head) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
    heads
        .lock()
        .expect("the lock is not poisoned")
        .push(head.to_ascii_lowercase());
    let fields = format!(
        "Content-Type: text/html\r\nContent-Length: {}\r\nConnection: close",
        PAGE.len()
    );
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{PAGE}");
}

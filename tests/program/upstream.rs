//! A simulated camera: an HTTP server whose bytes are chosen by the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::TIMEOUT;

/// The camera. It serves until the test ends.
pub struct Upstream {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// The requests and connections so far.
#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<String>,
}

/// One connection of the camera.
pub struct Connection {
    stream: BufReader<Box<dyn Duplex>>,
    log: Arc<Mutex<Log>>,
}

/// The transport of a connection: TCP, or TLS over it.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

impl Upstream {
    /// Starts a camera that calls `serve` for each connection.
    pub fn start(serve: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::behind(|stream| Box::new(stream), serve)
    }

    /// Starts a camera that sends what `answer` returns for each request. It closes the connection after
    /// a response without a length.
    pub fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |connection| {
            while let Some(request) = connection.request() {
                let answer = answer(&request);
                connection.send(&answer);
                if memchr::memmem::find(&answer, b"Content-Length").is_none() {
                    break;
                }
            }
        })
    }

    /// Starts a camera that sends `bytes` for each request, and closes.
    pub fn sending(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::start(move |connection| {
            connection.request();
            connection.send(&bytes);
        })
    }

    /// Starts a camera that sends `bytes` over its first connection, and closes all others at once.
    pub fn sending_once(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let first = AtomicBool::new(true);
        Self::start(move |connection| {
            if first.swap(false, Ordering::Relaxed) {
                connection.request();
                connection.send(&bytes);
            }
        })
    }

    /// Starts a camera whose connections use the transport that `wrap` returns.
    pub fn behind(
        wrap: impl Fn(TcpStream) -> Box<dyn Duplex> + Send + 'static,
        serve: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let upstream = Self {
            address,
            log: Arc::clone(&log),
        };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                log.lock().unwrap().connections += 1;
                let mut connection = Connection {
                    stream: BufReader::new(wrap(stream)),
                    log: Arc::clone(&log),
                };
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(&mut connection));
            }
        });
        upstream
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().requests.clone()
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }
}

impl Connection {
    /// The head of the next request, if there is one.
    pub fn request(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(self.stream.read_line(&mut head), Ok(1..)) {
                return None;
            }
        }
        self.log.lock().unwrap().requests.push(head.clone());
        Some(head)
    }

    /// Waits for the first bytes of the next request.
    pub fn first_bytes(&mut self) {
        let _ = self.stream.fill_buf();
    }

    /// Sends `bytes`. Ignores an error: the driver may have closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stream = self.stream.get_mut();
        let _ = stream
            .write_all(bytes.as_ref())
            .and_then(|()| stream.flush());
    }

    /// Waits until the other side has closed.
    pub fn wait(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

/// The value of a field of a request, ignoring the case of its name.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .into_iter()
        .find(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| field.1)
}

/// A response with `fields`, each ended by a line break, and a body of known length.
pub fn answer(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A stream of these pictures that ends.
pub fn stream_of(pictures: &[&[u8]]) -> Vec<u8> {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n".to_vec();
    for picture in pictures {
        bytes.extend(b"--b\r\nContent-Type: image/jpeg\r\n\r\n");
        bytes.extend(*picture);
        bytes.extend(b"\r\n");
    }
    bytes
}

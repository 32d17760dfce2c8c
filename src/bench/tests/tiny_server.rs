//! Streams made by hand, and a server that sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n";

/// A picture whose body holds what a careless parser trips over: a boundary's beginning, line ends
/// and markers.
pub fn jpeg(sequence: u64) -> Vec<u8> {
    let mut jpeg = b"\xff\xd8\r\n--fram\r\n\r\n\xff\xd9\r\n--".to_vec();
    jpeg.extend(sequence.to_be_bytes());
    jpeg.extend(b"\xff\xd9");
    jpeg
}

/// A part as most servers send it: header, body and the delimiter of the next.
pub fn part(sequence: u64) -> Vec<u8> {
    let jpeg = jpeg(sequence);
    let header = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: 999.5\r\nX-Frame-Sequence: {sequence}\r\n\r\n",
        jpeg.len()
    );
    [header.as_bytes(), &jpeg, b"\r\n--frame\r\n"].concat()
}

pub fn stream(parts: &[Vec<u8>]) -> Vec<u8> {
    [HEAD, &parts.concat()].concat()
}

/// A server that answers its viewers one after the other, and then keeps quiet, closes or goes on.
pub struct TinyServer {
    pub address: SocketAddr,
    is_over: &'static AtomicBool,
}

/// What a viewer meets after what it is answered.
#[derive(Clone, Copy)]
pub enum Then {
    KeepQuiet,
    Close,
    /// A part every few milliseconds, numbered from 1000.
    Send(fn(u64) -> Vec<u8>),
}

impl TinyServer {
    /// Answers every viewer the same.
    pub fn start(answer: Vec<u8>, then: Then) -> Self {
        Self::answering(move |_| answer.clone(), then)
    }

    /// Answers the viewers by their number, from 0.
    pub fn answering(answer: impl Fn(usize) -> Vec<u8> + Send + 'static, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        thread::spawn(move || {
            let mut viewers = Vec::new();
            for (index, stream) in listener.incoming().enumerate() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                read_request(&mut stream);
                stream.write_all(&answer(index)).unwrap();
                match then {
                    Then::KeepQuiet => viewers.push(stream),
                    Then::Close => {}
                    Then::Send(part) => drop(thread::spawn(move || send(stream, part))),
                }
            }
        });
        Self { address, is_over }
    }

    pub fn url(&self) -> String {
        format!("http://{}/stream", self.address)
    }
}

impl Drop for TinyServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Sends parts until the viewer leaves.
fn send(mut stream: TcpStream, part: fn(u64) -> Vec<u8>) {
    for sequence in 1000.. {
        if stream.write_all(&part(sequence)).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    assert!(request.starts_with(b"GET /stream HTTP/1.0\r\n"));
}

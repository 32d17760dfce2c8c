//! Replays the requests of clients that cannot be installed for a test, and reads the responses as
//! these clients do.
//!
//! The requests are taken from the sources of each client and of its HTTP library. The readers
//! require what the sources require: a length, the markers of a JPEG, or a pattern.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::matrix::{Show, is_every_picture_among, picture_of_jpeg};
use crate::support::{TIMEOUT, field};

/// Number of pictures after which a client that lacks one has failed.
const PICTURES_MAX: usize = 100;

/// A client of streams. `TARGET` and `HOST` in the request are replaced by the address, `HOSTNAME`
/// by the host without port.
struct StreamClient {
    name: &'static str,
    request: &'static str,
    read: fn(&mut Answer) -> Vec<u8>,
}

const STREAM_CLIENTS: [StreamClient; 8] = [
    StreamClient {
        name: "go2rtc",
        request: "GET TARGET HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
        read: by_length,
    },
    StreamClient {
        name: "Mainsail",
        request: "GET TARGET HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive\r\n\
            User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 \
            Safari/537.36\r\nAccept: */*\r\nOrigin: http://mainsail.local\r\nSec-Fetch-Site: cross-site\r\n\
            Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: http://mainsail.local/\r\n\
            Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n",
        read: by_first_bytes,
    },
    StreamClient {
        name: "Home Assistant",
        request: "GET TARGET HTTP/1.1\r\nHost: HOST\r\nUser-Agent: HomeAssistant/2026.11.1 aiohttp/3.13.2 \
            Python/3.13\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n",
        read: by_marks,
    },
    StreamClient {
        name: "motion up to 4.2",
        request: "GET TARGET HTTP/1.0\r\nHost: HOSTNAME\r\nUser-Agent: Motion-netcam/4.2.2\r\n\
            Connection: close\r\n\r\n",
        read: by_lines,
    },
    StreamClient {
        name: "motion, kept alive",
        request: "GET TARGET HTTP/1.1\r\nHost: HOSTNAME\r\nUser-Agent: Motion-netcam/4.2.2\r\n\
            Connection: Keep-Alive\r\n\r\n",
        read: by_lines,
    },
    StreamClient {
        name: "ZoneMinder",
        request: "GET TARGET HTTP/1.0\r\nUser-Agent: ZoneMinder/1.36.33\r\nHost: HOSTNAME\r\n\
            Connection: Keep-Alive\r\n\r\n",
        read: by_pattern,
    },
    StreamClient {
        name: "no Host, HTTP/1.0",
        request: "GET TARGET HTTP/1.0\r\n\r\n",
        read: by_length,
    },
    StreamClient {
        name: "nginx before it",
        request: "GET TARGET HTTP/1.0\r\nHost: mjpgstreamer1\r\nX-Real-IP: 192.0.2.7\r\n\
            X-Forwarded-For: 192.0.2.7\r\nConnection: close\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
        read: by_length,
    },
];

/// A printer's page has another origin than its camera.
const ORIGINS: [&str; 4] = [
    "--allow-origin",
    "http://mainsail.local",
    "--allow-origin",
    "http://fluidd.local",
];

/// Asserts that a page of another origin may read the response.
fn assert_readable(name: &str, request: &str, answer: &Answer) {
    let origin = request
        .split("\r\n")
        .find_map(|line| line.strip_prefix("Origin: "));
    assert_eq!(
        answer.field("Access-Control-Allow-Origin"),
        origin,
        "{name}: {}",
        answer.head
    );
}

#[test]
fn stream_clients_receive_moving_pictures() {
    let show = Show::open_with(&ORIGINS);
    thread::scope(|scope| {
        for client in &STREAM_CLIENTS {
            let show = &show;
            scope.spawn(move || {
                show.at_every_address(client.name, |url| {
                    let mut answer = Answer::to(client.request, url);
                    assert_eq!(answer.status(), 200, "{}: {}", client.name, answer.head);
                    assert_readable(client.name, client.request, &answer);
                    let mut seen = Vec::new();
                    while !is_every_picture_among(&seen) && seen.len() < PICTURES_MAX {
                        seen.push(picture_of_jpeg(&(client.read)(&mut answer)));
                    }
                    seen
                });
            });
        }
    });
}

/// Clients of snapshots: name, target, request.
const SNAPSHOT_CLIENTS: [(&str, &str, &str); 5] = [
    (
        "OctoPrint",
        "/?action=snapshot",
        "GET TARGET HTTP/1.1\r\nHost: HOST\r\nUser-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\n\
         Accept: */*\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "Moonraker",
        "/?action=snapshot",
        "GET TARGET HTTP/1.1\r\nConnection: close\r\nHost: HOST\r\nUser-Agent: Moonraker/v0.9.3\r\n\
         Accept-Encoding: gzip\r\n\r\n",
    ),
    (
        "Fluidd",
        "/?action=snapshot&cacheBust=1732454800123",
        "GET TARGET HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36\r\n\
         Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\nOrigin: http://fluidd.local\r\n\
         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: image\r\n\
         Referer: http://fluidd.local/\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n",
    ),
    (
        "motion of stills",
        "/snapshot.jpg",
        "GET TARGET HTTP/1.0\r\nHost: HOSTNAME\r\nUser-Agent: Motion-netcam/4.2.2\r\nConnection: close\r\n\r\n",
    ),
    (
        "mjpg-streamer's page",
        "/?action=snapshot&n=17",
        "GET TARGET HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive\r\nAccept: image/*\r\n\r\n",
    ),
];

#[test]
fn snapshot_clients_receive_a_picture_with_its_length() {
    let show = Show::open_with(&ORIGINS);
    for (name, target, request) in SNAPSHOT_CLIENTS {
        let mut answer = Answer::to(request, &show.server.url(target));
        assert_eq!(
            (answer.status(), answer.field("Content-Type")),
            (200, Some("image/jpeg")),
            "{name}"
        );
        assert_readable(name, request, &answer);
        let length = answer
            .field("Content-Length")
            .and_then(|length| length.parse().ok());
        let jpeg = answer
            .bytes(length.unwrap_or_else(|| panic!("{name}: no Content-Length: {}", answer.head)));
        picture_of_jpeg(&jpeg);
    }
}

/// Moonraker reports a camera as missing if its snapshot takes longer than a second. The first
/// snapshot has to start the camera. A busy machine has three tries.
#[test]
fn first_snapshot_meets_moonrakers_timeout() {
    let took: Vec<Duration> = (0..3)
        .map(|_| {
            let show = Show::open();
            let begun = Instant::now();
            let (_, target, request) = SNAPSHOT_CLIENTS[1];
            let mut answer = Answer::to(request, &show.server.url(target));
            let length = answer
                .field("Content-Length")
                .and_then(|length| length.parse().ok());
            picture_of_jpeg(&answer.bytes(length.expect("a length")));
            begun.elapsed()
        })
        .collect();
    println!("first snapshots took {took:?}");
    assert!(
        took.iter().min() < Some(&Duration::from_secs(1)),
        "no snapshot within a second: {took:?}"
    );
}

/// motionEye detects the kind of camera by the response head, and closes the connection.
#[test]
fn motioneye_recognises_a_network_camera() {
    let show = Show::open();
    let request = "GET TARGET HTTP/1.1\r\nConnection: close\r\nHost: HOST\r\nUser-Agent: Tornado/6.5.2\r\n\
        Accept-Encoding: gzip\r\n\r\n";
    let answer = Answer::to(request, &show.server.url("/stream"));
    let head = answer.head.to_lowercase();
    assert!(head.starts_with("http/1.1 200 "));
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type"))
        .and_then(|rest| rest.split(':').nth(1));
    assert!(
        kind.is_some_and(|kind| kind.trim().starts_with("multipart/x-mixed-replace")),
        "{head}"
    );
    let answer = Answer::to(request, &show.server.url("/snapshot"));
    assert_eq!(answer.field("Content-Type"), Some("image/jpeg"));
}

/// A response whose head has been read.
struct Answer {
    reader: BufReader<TcpStream>,
    head: String,
}

impl Answer {
    fn to(request: &str, url: &str) -> Self {
        let (host, target) = url
            .trim_start_matches("http://")
            .split_once('/')
            .expect("an address with a path");
        let address: SocketAddr = host.parse().expect("an address in numbers");
        let request = request.replace("TARGET", &format!("/{target}"));
        let request = request
            .replace("HOSTNAME", &address.ip().to_string())
            .replace("HOST", host);
        let mut stream = TcpStream::connect(address).expect("the server accepts");
        stream
            .set_read_timeout(Some(TIMEOUT))
            .expect("a timeout can be set");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut answer = Self {
            reader: BufReader::new(stream),
            head: String::new(),
        };
        answer.head = answer.lines_to_blank();
        answer
    }

    fn status(&self) -> u16 {
        let version = self
            .head
            .strip_prefix("HTTP/1.1 ")
            .or(self.head.strip_prefix("HTTP/1.0 "));
        version
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .expect("a status")
    }

    fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(
            self.reader.read_line(&mut line).expect("a line of text"),
            0,
            "the stream has ended"
        );
        line
    }

    fn lines_to_blank(&mut self) -> String {
        let mut lines = String::new();
        while !lines.ends_with("\r\n\r\n") {
            lines += &self.line();
        }
        lines
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader
            .read_exact(&mut bytes)
            .expect("as many bytes as were promised");
        bytes
    }

    /// Reads up to and including `end`.
    fn bytes_to(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            let last = end[end.len() - 1];
            assert_ne!(
                self.reader
                    .read_until(last, &mut bytes)
                    .expect("more bytes"),
                0,
                "the stream has ended"
            );
        }
        bytes
    }
}

/// Reads a part: the next line that is not empty is a delimiter, the header has a length.
fn by_length(answer: &mut Answer) -> Vec<u8> {
    let boundary = std::iter::repeat_with(|| answer.line())
        .find(|line| line != "\r\n")
        .expect("there is always one");
    assert!(boundary.starts_with("--"), "{boundary:?} is no boundary");
    let header = answer.lines_to_blank();
    let length = field(&header, "Content-Length").expect("a length");
    answer.bytes(length.parse().expect("a number"))
}

/// Reads a part: all bytes before a JPEG's start marker are the header, one line of which is the
/// length. Such a client shows a picture when the byte after it has arrived.
fn by_first_bytes(answer: &mut Answer) -> Vec<u8> {
    let before = answer.bytes_to(&[0xff, 0xd8]);
    let header = String::from_utf8_lossy(&before).to_lowercase();
    let length = header.split('\n').find_map(|line| {
        line.split_once(':')
            .filter(|pair| pair.0 == "content-length")
    });
    let length: usize = length
        .expect("a length")
        .1
        .trim()
        .parse()
        .expect("a number");
    let mut jpeg = vec![0xff, 0xd8];
    jpeg.extend(answer.bytes(length - 2));
    answer.bytes(1);
    jpeg
}

/// Reads a picture from its start marker to its end marker.
fn by_marks(answer: &mut Answer) -> Vec<u8> {
    answer.bytes_to(&[0xff, 0xd8]);
    let mut jpeg = vec![0xff, 0xd8];
    jpeg.extend(answer.bytes_to(&[0xff, 0xd9]));
    jpeg
}

/// Reads a part: the boundary is all text after `boundary=`, a line contains it, and the type is
/// compared literally.
fn by_lines(answer: &mut Answer) -> Vec<u8> {
    let boundary = answer
        .head
        .lines()
        .find_map(|line| line.split_once("boundary="))
        .expect("a boundary")
        .1
        .to_owned();
    while !answer.line().contains(&boundary) {}
    let header = answer.lines_to_blank();
    assert_eq!(field(&header, "Content-Type"), Some("image/jpeg"));
    answer.bytes(
        field(&header, "Content-Length")
            .expect("a length")
            .parse()
            .expect("a number"),
    )
}

/// Reads a part that starts with at most two line ends, two optional dashes, the boundary, a line
/// end and a header.
fn by_pattern(answer: &mut Answer) -> Vec<u8> {
    let kind = answer.field("Content-Type").expect("a type").to_owned();
    let (kind, boundary) = kind.split_once("; boundary=").expect("a boundary");
    assert_eq!(kind, "multipart/x-mixed-replace");
    let mut line = answer.line();
    for _ in 0..2 {
        if line == "\r\n" {
            line = answer.line();
        }
    }
    assert_eq!(
        line.trim_start_matches("--").trim_end(),
        boundary.trim_start_matches("--")
    );
    let header = answer.lines_to_blank();
    let length = header.lines().find_map(|line| {
        line.split_once(": ")
            .filter(|pair| pair.0.eq_ignore_ascii_case("content-length"))
    });
    answer.bytes(length.expect("a length").1.parse().expect("a number"))
}

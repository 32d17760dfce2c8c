//! A connection to Redis that bounds the size of replies.
//!
//! The client library reads a reply of any announced length. So this file reads the bytes of a
//! reply itself, element by element (RESP, the Redis serialization protocol), and stops before an
//! element that exceeds the maximum size of a frame. The library encodes the commands and decodes
//! the replies.

#![deny(clippy::arithmetic_side_effects)]

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use redis::{ConnectionLike, RedisResult, Value, parse_redis_value};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};

use super::address::Address;
use super::error::TOO_LARGE;
use crate::trust::Trust;
use crate::wire::jpeg::FRAME_BYTES_MAX;
use crate::wire::multipart::HEAD_BYTES_MAX;
use crate::wire::part;

/// The maximum size of a reply besides the JPEG: the header block, and the name of the channel.
const REPLY_OVERHEAD_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// The maximum size of a line of a reply: a length, a status or an error.
const LINE_BYTES_MAX: u64 = 8 * 1024;

/// The maximum number of elements of a reply. A message of a channel has three.
const ELEMENTS_MAX: usize = 64;

/// The idle time before the first TCP keepalive probe, and the interval and number of probes: they
/// detect a host that has gone.
const KEEPALIVE: Duration = Duration::from_secs(1);
const KEEPALIVE_PROBES: u32 = 2;

/// The connection is closed when sent bytes are not acknowledged for this time (TCP_USER_TIMEOUT).
const USER_TIMEOUT: Duration = Duration::from_secs(2);

/// The error of a reply that is not RESP.
const NOT_RESP: &str = "the reply is not in the Redis protocol";

/// A reply that announces more bytes or elements than allowed.
#[derive(Debug, thiserror::Error)]
#[error("{TOO_LARGE} ({what}): {}", part::too_large(*frame_bytes_max))]
pub(super) struct TooLarge {
    what: String,
    frame_bytes_max: usize,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<Stream>,
    frame_bytes_max: usize,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects to `address`; each step times out after `timeout`.
    pub(super) fn open(address: &Address, timeout: Duration) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "failed to lookup address");
        for socket in (address.host(), address.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&socket, timeout) {
                Ok(stream) => return Self::from_stream(stream, address, timeout),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn from_stream(stream: TcpStream, address: &Address, timeout: Duration) -> io::Result<Self> {
        let socket = SockRef::from(&stream);
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE)
            .with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let stream = if !address.tls {
            Stream::Plain(stream)
        } else {
            let name = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
            let session = ClientConnection::new(Trust::client_config(address.insecure), name);
            Stream::Encrypted(Box::new(StreamOwned::new(
                session.map_err(io::Error::other)?,
                stream,
            )))
        };
        Ok(Self {
            reader: BufReader::new(stream),
            frame_bytes_max: FRAME_BYTES_MAX,
        })
    }

    /// Sets the maximum size of a frame in a reply.
    pub(super) fn set_frame_bytes_max(&mut self, bytes: usize) {
        self.frame_bytes_max = bytes;
    }

    /// Sets the timeout of reading a reply; `None` for none.
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.reader.get_ref().tcp().set_read_timeout(timeout)
    }

    /// Sets the timeout of sending a command.
    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.reader.get_ref().tcp().set_write_timeout(timeout)
    }

    /// Reads the next reply, or message of a channel.
    pub(super) fn read(&mut self) -> RedisResult<Value> {
        parse_redis_value(&read_reply(&mut self.reader, self.frame_bytes_max)?)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.reader.get_mut().write_all(command)?;
        self.read()
    }

    /// Sends pipelined commands. Reads `offset + count` replies and returns the last `count`. The
    /// others are those of a transaction; an error among them is returned instead.
    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.reader.get_mut().write_all(commands)?;
        let replies = (0..offset.saturating_add(count))
            .map(|_| self.read())
            .collect::<RedisResult<Vec<_>>>()?;
        let (first, last) = replies.split_at(offset.min(replies.len()));
        first
            .iter()
            .try_for_each(|reply| reply.clone().extract_error().map(drop))?;
        Ok(last.to_vec())
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        self.is_open()
    }

    fn is_open(&self) -> bool {
        self.reader.get_ref().tcp().peer_addr().is_ok()
    }
}

/// Reads the bytes of one reply, and checks its size only: a frame has at most `frame_bytes_max`
/// bytes.
fn read_reply(reader: &mut impl BufRead, frame_bytes_max: usize) -> io::Result<Vec<u8>> {
    let bytes_max = frame_bytes_max.saturating_add(REPLY_OVERHEAD_BYTES_MAX);
    let mut reply = Vec::new();
    let mut elements = 1_usize;
    let mut elements_read = 0_usize;
    while elements_read < elements {
        elements_read = elements_read.saturating_add(1);
        let line = reply.len();
        reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut reply)?;
        let line = reply.get(line..).unwrap_or_default();
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let Some((&kind, number)) = line.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) else {
            return Err(io::Error::other(NOT_RESP));
        };
        // A length of -1 means a missing value, which has no bytes.
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.parse::<i64>().ok());
        let number = number.map(|number| usize::try_from(number).unwrap_or(0));
        match (kind, number) {
            (b'$', Some(bytes)) => {
                if bytes > bytes_max.saturating_sub(reply.len()) {
                    return Err(io::Error::other(TooLarge {
                        what: format!("{bytes} bytes"),
                        frame_bytes_max,
                    }));
                }
                let is_missing = line.get(1) == Some(&b'-');
                let whole = if is_missing {
                    0
                } else {
                    bytes.saturating_add(2)
                };
                if reader.take(whole as u64).read_to_end(&mut reply)? < whole {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            (b'*', Some(more)) => {
                elements = elements.saturating_add(more);
                if elements > ELEMENTS_MAX {
                    return Err(io::Error::other(TooLarge {
                        what: format!("{more} elements"),
                        frame_bytes_max,
                    }));
                }
            }
            (b'+' | b'-', _) | (b':', Some(_)) => {}
            _ => return Err(io::Error::other(NOT_RESP)),
        }
    }
    Ok(reply)
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Encrypted(session) => &session.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(bytes),
            Stream::Encrypted(session) => session.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Encrypted(session) => session.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Encrypted(session) => session.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        read_reply(&mut &*bytes, FRAME_BYTES_MAX).map_err(|error| error.to_string())
    }

    #[test]
    fn replies_are_read_to_their_end_and_no_further() {
        for reply in [
            &b"+OK\r\n"[..],
            b"-ERR no\r\n",
            b":42\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"$0\r\n\r\n",
            b"$5\r\na\r\nbc\r\n",
            b"*3\r\n$7\r\nmessage\r\n$3\r\ncam\r\n$2\r\n\xff\xd8\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
        ] {
            assert_eq!(
                read(&[reply, b"+NEXT\r\n"].concat()),
                Ok(reply.to_vec()),
                "{}",
                reply.escape_ascii()
            );
            for end in 0..reply.len() {
                assert!(
                    read(&reply[..end]).is_err(),
                    "{}",
                    reply[..end].escape_ascii()
                );
            }
        }
    }

    #[test]
    fn too_large_reply_is_rejected_before_it_is_read() {
        for reply in [
            "$10000000000\r\n",
            "$9223372036854775807\r\n",
            "*1000000000\r\n",
            "*65\r\n",
            "*3\r\n$7\r\nmessage\r\n$3\r\ncam\r\n$10000000000\r\n",
            "*2\r\n$8000000\r\n",
        ] {
            // What follows the announcement is endless, and would be read for ever.
            let mut endless = BufReader::new(reply.as_bytes().chain(io::repeat(b'x')));
            let error = read_reply(&mut endless, FRAME_BYTES_MAX)
                .unwrap_err()
                .to_string();
            let is_second = reply.starts_with("*2\r\n$8000000");
            assert!(error.contains(TOO_LARGE) || is_second, "{reply}: {error}");
        }
        let lines = [
            "x".repeat(100_000),
            "$1x\r\n".to_owned(),
            "%1\r\n".to_owned(),
            "HTTP/1.1 400\r\n".to_owned(),
        ];
        for line in lines {
            assert!(
                read(line.as_bytes()).unwrap_err().contains("protocol"),
                "{line:.20}"
            );
        }
    }
}

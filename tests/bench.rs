//! The crowd, from a single parser fed byte by byte to fifty viewers of a server that counts what it sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use framecast::bench::{Arrival, Crowd, Novelty, Parser, Plan, Refusal, Scrutiny, Tally};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n";
const NOW: Duration = Duration::from_secs(1_000);

/// A picture whose body holds what a careless parser trips over: a boundary's beginning, line ends and markers.
fn jpeg(sequence: u64) -> Vec<u8> {
    let mut jpeg = b"\xff\xd8\r\n--fram\r\n\r\n\xff\xd9\r\n--".to_vec();
    jpeg.extend(sequence.to_be_bytes());
    jpeg.extend(b"\xff\xd9");
    jpeg
}

/// A part as most servers send it: header, body and the delimiter of the next.
fn part(sequence: u64) -> Vec<u8> {
    let jpeg = jpeg(sequence);
    let header = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: 999.5\r\nX-Frame-Sequence: {sequence}\r\n\r\n",
        jpeg.len()
    );
    [header.as_bytes(), &jpeg, b"\r\n--frame\r\n"].concat()
}

/// A part without a length, as Flask's users write it.
fn part_without_length(sequence: u64) -> Vec<u8> {
    let header = b"Content-Type: image/jpeg\r\n\r\n";
    [&header[..], &jpeg(sequence), b"\r\n--frame\r\n"].concat()
}

fn stream(parts: &[Vec<u8>]) -> Vec<u8> {
    [HEAD, &parts.concat()].concat()
}

/// Feeds a stream in pieces, throwing away unseen what may be thrown away if `discard` says so.
fn watch(pieces: &[&[u8]], scrutiny: Scrutiny, discard: bool) -> (Tally, Vec<Arrival>) {
    let mut parser = Parser::new(scrutiny);
    let mut arrivals = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let skippable = if discard { parser.skippable().min(rest.len()) } else { 0 };
            parser.skip(skippable);
            rest = &rest[skippable..];
            // What may be skipped is known once a header has been seen, so a discarding viewer reads little at a time.
            let read = if discard { rest.len().min(3) } else { rest.len() };
            parser.receive(&rest[..read], NOW, &mut |arrival| arrivals.push(arrival)).unwrap();
            rest = &rest[read..];
        }
    }
    (*parser.tally(), arrivals)
}

fn tally_of(stream: &[u8]) -> Tally {
    watch(&[stream], Scrutiny::Ends, false).0
}

/// Cuts a stream in two at every place, and into single bytes; every way must give the same counts and arrivals.
fn watch_every_split(stream: &[u8]) -> (Tally, Vec<Arrival>) {
    let whole = watch(&[stream], Scrutiny::Bytes, false);
    for split in 0..=stream.len() {
        let (first, second) = stream.split_at(split);
        assert_eq!(watch(&[first, second], Scrutiny::Bytes, false), whole, "split at {split}");
        let (tally, arrivals) = watch(&[first, second], Scrutiny::Ends, true);
        assert_eq!((tally, arrivals.len()), (whole.0, whole.1.len()), "discarded, split at {split}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(watch(&bytes, Scrutiny::Bytes, false), whole, "byte by byte");
    whole
}

#[test]
fn a_good_stream_counts_the_same_however_it_is_cut() {
    let stream = stream(&[part(1), part(2), part(2), part(5), part(4)]);
    let (tally, arrivals) = watch_every_split(&stream);
    let bytes = stream.len() as u64;
    assert_eq!(tally, Tally { frames: 3, repeats: 1, out_of_order: 1, torn: 0, skipped: 2, bytes });
    let novelties: Vec<Novelty> = arrivals.iter().map(|arrival| arrival.novelty).collect();
    use Novelty::{Fallen, First, New, Repeat};
    assert_eq!(novelties, [First, New, Repeat, New, Fallen]);
    assert_eq!(arrivals[3].captured_at, Some(Duration::from_millis(999_500)));
    assert_eq!(arrivals[1].checksum, arrivals[2].checksum);
    assert_ne!(arrivals[0].checksum, arrivals[1].checksum);
}

#[test]
fn a_stream_without_lengths_counts_the_same_however_it_is_cut() {
    let stream = stream(&[part_without_length(1), part_without_length(1), part_without_length(2)]);
    let (tally, arrivals) = watch_every_split(&stream);
    assert_eq!((tally.frames, tally.torn), (3, 0));
    // The same bytes as with a length, so the same sums: neither way loses or adds one.
    let sized = watch(&[&self::stream(&[part(1), part(2)])], Scrutiny::Bytes, false).1;
    assert_eq!(arrivals[0].checksum, sized[0].checksum);
    assert_eq!(arrivals[2].checksum, sized[1].checksum);
}

#[test]
fn the_closing_delimiter_ends_the_count() {
    let mut stream = stream(&[part(1), part(2)]);
    stream.truncate(stream.len() - 2);
    stream.extend(b"--\r\n--frame\r\nnothing of this is a part");
    let (tally, _) = watch_every_split(&stream);
    assert_eq!((tally.frames, tally.torn), (2, 0));
}

#[test]
fn a_byte_dropped_anywhere_in_a_body_is_torn_and_the_rest_is_seen() {
    let good = part(2);
    let body = good.len() - b"\r\n--frame\r\n".len() - jpeg(2).len();
    for dropped in body..body + jpeg(2).len() {
        let mut torn = good.clone();
        torn.remove(dropped);
        let stream = stream(&[part(1), torn, part(3), part(4)]);
        let (tally, _) = watch_every_split(&stream);
        assert_eq!((tally.frames, tally.torn), (3, 1), "without byte {dropped}");
    }
}

#[test]
fn a_byte_too_many_is_torn() {
    let mut torn = part(2);
    torn.insert(torn.len() - 20, b'x');
    let (tally, _) = watch_every_split(&stream(&[part(1), torn, part(3)]));
    assert_eq!((tally.frames, tally.torn), (2, 1));
}

#[test]
fn two_parts_mixed_are_torn() {
    let (one, two) = (part(2), part(3));
    for cut in [one.len() / 2, one.len() - 15] {
        let mixed = [&one[..cut], &two[..], &one[cut..]].concat();
        let (tally, _) = watch_every_split(&stream(&[part(1), mixed, part(4), part(5)]));
        assert!(tally.torn > 0, "mixed at {cut}");
        assert!(tally.frames >= 2, "mixed at {cut}");
    }
}

#[test]
fn a_body_that_is_no_jpeg_is_torn() {
    for (from, to) in [(&b"\xff\xd8\r\n"[..], &b"\xff\xd7\r\n"[..]), (b"\xff\xd9\r\n--frame", b"\xff\xda\r\n--frame")] {
        for good in [part(2), part_without_length(2)] {
            let at = good.windows(from.len()).position(|window| window == from).unwrap();
            let bad = [&good[..at], to, &good[at + from.len()..]].concat();
            let (tally, _) = watch_every_split(&stream(&[part(1), bad, part(3)]));
            assert_eq!((tally.frames, tally.torn), (2, 1));
        }
    }
}

#[test]
fn a_header_without_sense_is_torn() {
    let bad = String::from_utf8_lossy(&part(2)).replace("Content-Length: ", "Content-Length: x");
    let (tally, _) = watch_every_split(&stream(&[part(1), bad.into_bytes(), part(3)]));
    assert_eq!((tally.frames, tally.torn), (2, 1));
    let endless = [&b"A: "[..], &[b'a'; 5000], b"\r\n\r\n\r\n--frame\r\n"].concat();
    let tally = tally_of(&stream(&[part(1), endless, part(3)]));
    assert_eq!(tally.frames + tally.torn, 3);
}

#[test]
fn sums_differ_where_only_the_middle_of_a_body_differs() {
    let mut other = part(1);
    let middle = other.len() - 18;
    other[middle] ^= 1;
    let sums = |part: &[u8]| watch(&[&stream(&[part.to_vec()])], Scrutiny::Bytes, false).1[0].checksum;
    assert!(sums(&part(1)).is_some());
    assert_ne!(sums(&part(1)), sums(&other));
}

#[test]
fn an_answer_that_is_no_stream_is_an_error() {
    let refusal = |head: &[u8]| Parser::new(Scrutiny::Ends).receive(head, NOW, &mut |_| {}).unwrap_err();
    assert_eq!(refusal(b"HTTP/1.1 404 Not Found\r\n\r\n"), Refusal::Status(404));
    assert_eq!(refusal(&[b'x'; 20_000]), Refusal::NotHttp);
}

/// A server that sends each of its viewers the same parts, and then either keeps quiet or closes.
struct TinyServer {
    address: SocketAddr,
    is_over: &'static AtomicBool,
}

impl TinyServer {
    fn start(answer: Vec<u8>, closes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        thread::spawn(move || {
            let mut viewers = Vec::new();
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                read_request(&mut stream);
                stream.write_all(&answer).unwrap();
                if !closes {
                    viewers.push(stream);
                }
            }
        });
        Self { address, is_over }
    }

    fn url(&self) -> String {
        format!("http://{}/stream", self.address)
    }
}

impl Drop for TinyServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
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

/// Everything this server sends is there before figures begin, so it is the counts of before that are exact.
#[test]
fn fifty_viewers_count_exactly_what_was_sent() {
    let large = {
        let jpeg = [&b"\xff\xd8"[..], &[0; 300_000], b"\xff\xd9"].concat();
        let header = format!("Content-Length: {}\r\nX-Frame-Sequence: 3\r\n\r\n", jpeg.len());
        [header.as_bytes(), &jpeg, b"\r\n--frame\r\n"].concat()
    };
    for verify in [false, true] {
        let parts = [part(1), part(1), part(2), large.clone(), part(4)];
        let server = TinyServer::start(stream(&parts), true);
        let plan = Plan { verify, ..Plan::new(&server.url(), 50, 0.05) };
        let mut crowd = Crowd::gather(&plan).unwrap();
        crowd.join().unwrap();
        // Closing is the last thing that the server does to a viewer, so once all are closed, all has come.
        let mut parts_seen = 0;
        loop {
            let outcome = crowd.measure(plan.duration()).unwrap();
            parts_seen += outcome.parts_before;
            assert_eq!((outcome.steady.viewers, outcome.steady.failed), (50, 0));
            assert_eq!((outcome.steady.tally.torn, outcome.steady.mismatched), (0, 0));
            if outcome.steady.closed_by_server == 50 && outcome.parts() == 0 {
                break;
            }
        }
        assert_eq!(parts_seen, 50 * parts.len() as u64);
    }
}

#[test]
fn viewers_that_are_refused_have_failed_and_the_run_ends() {
    let server = TinyServer::start(b"HTTP/1.0 503 Busy\r\n\r\n".to_vec(), true);
    let plan = Plan { slow: 2, stalled: 1, ..Plan::new(&server.url(), 5, 0.05) };
    let outcome = framecast::bench::run(&plan).unwrap();
    assert_eq!((outcome.steady.viewers, outcome.steady.failed), (5, 5));
    assert_eq!((outcome.slow.viewers, outcome.slow.failed), (2, 2));
    assert_eq!((outcome.stalled.viewers, outcome.stalled.failed), (1, 0));
    assert_eq!(outcome.first_failure.unwrap(), "the server answered with status 503");
}

#[test]
fn a_server_that_is_not_there_fails_every_viewer() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plan = Plan { stalled: 3, ..Plan::new(&format!("http://{address}/"), 7, 0.05) };
    let outcome = framecast::bench::run(&plan).unwrap();
    assert_eq!((outcome.steady.failed, outcome.stalled.failed), (7, 3));
    assert!(outcome.first_failure.is_some());
}

#[test]
fn more_viewers_than_files_are_refused_with_the_number_wanted() {
    let Err(error) = Crowd::gather(&Plan::new("http://127.0.0.1:1/", usize::MAX / 2, 1.0)) else {
        panic!("a crowd of impossible size was gathered");
    };
    assert!(error.to_string().contains(&(usize::MAX / 2 + 64).to_string()), "{error}");
}

#[test]
fn an_outcome_is_written_as_json_and_as_a_table() {
    let server = TinyServer::start(stream(&[part(1)]), false);
    let plan = Plan { pid: Some(std::process::id()), ..Plan::new(&server.url(), 3, 0.05) };
    let outcome = framecast::bench::run(&plan).unwrap();
    assert_eq!(outcome.parts_before, 3);
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["plan"]["viewers"], 3);
    assert_eq!(json["steady"]["viewers"], 3);
    assert_eq!(json["steady"]["torn"], 0);
    assert!(json["server"]["own"]["rss_end_bytes"].as_u64().unwrap() > 0);
    assert!(outcome.to_string().contains("steady"));
}

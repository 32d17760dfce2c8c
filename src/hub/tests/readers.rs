//! Bodies that are produced as they are sent: tables of frames, and events.

use std::time::Duration;

use crate::stream::Topic;

use super::peer::{Fixture, Line};

/// The largest chunk, with its framing.
const CHUNK_BYTES_MAX: usize = 16 * 1024 + 16;

/// Returns the content of the whole chunks after the head, and whether the last chunk came.
fn body(bytes: &[u8]) -> (String, bool) {
    let head = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let mut rest = if bytes.starts_with(b"HTTP/") {
        &bytes[head..]
    } else {
        bytes
    };
    let mut body = Vec::new();
    while !rest.is_empty() {
        let line = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .expect("a chunk has a size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        let start = line + 2;
        body.extend_from_slice(&rest[start..start + size]);
        assert_eq!(&rest[start + size..start + size + 2], b"\r\n");
        rest = &rest[start + size + 2..];
        if size == 0 {
            assert_eq!(rest, b"");
            return (String::from_utf8(body).unwrap(), true);
        }
    }
    (String::from_utf8(body).unwrap(), false)
}

fn rows(body: &str) -> Vec<&str> {
    body.lines()
        .filter(|line| line.starts_with("<tr><td>"))
        .collect()
}

fn events(line: &Line) -> Vec<(u64, String)> {
    let (body, _) = body(&line.take());
    assert!(
        body.is_empty() || body.ends_with("\n\n"),
        "an event is torn: {body}"
    );
    let events = body.split("\n\n").filter(|event| event.starts_with("id: "));
    let event = |event: &str| {
        let (id, rest) = event
            .strip_prefix("id: ")
            .unwrap()
            .split_once('\n')
            .unwrap();
        (id.parse().unwrap(), rest.to_owned())
    };
    events.map(event).collect()
}

fn queued(fixture: &Fixture) -> usize {
    fixture
        .hub
        .connections()
        .iter()
        .map(|(_, connection)| connection.queue.bytes_queued())
        .max()
        .unwrap_or_default()
}

#[test]
fn table_is_made_only_as_fast_as_the_peer_reads() {
    let mut fixture = Fixture::new();
    (0..3).for_each(|_| drop(fixture.publish(100)));
    let (line, key) = fixture.connect();
    line.set_room(1000);
    line.send("GET /table?rows=20000 HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    let mut taken = line.take();
    for _ in 0..20_000 {
        assert!(
            queued(&fixture) <= CHUNK_BYTES_MAX,
            "{} bytes are queued",
            queued(&fixture)
        );
        line.set_room(1000);
        fixture.writable(key);
        let some = line.take();
        if some.is_empty() {
            break;
        }
        taken.extend(some);
    }
    let (body, has_ended) = body(&taken);
    let rows = rows(&body);
    assert!(has_ended && body.ends_with("</table>\n"));
    assert_eq!(rows.len(), 20_000);
    // The table repeats its records.
    assert!(
        rows.iter()
            .enumerate()
            .all(|(place, row)| row.starts_with(&format!("<tr><td>{}<td>", place % 3 + 1)))
    );
    // The connection is kept alive.
    line.set_room(usize::MAX);
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    assert!(line.take_text().ends_with("/page"));
}

#[test]
fn endless_table_has_a_row_per_frame_and_subscribes_to_the_camera() {
    let mut fixture = Fixture::new();
    fixture.publish(100);
    let (line, key) = fixture.ask("/table");
    let (opening, _) = body(&line.take());
    assert_eq!(rows(&opening).len(), 1);
    assert!(
        fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0
            && fixture.hub.live().viewers() == 0
    );
    assert_eq!(fixture.snapshot().connections.tables, 1);
    for number in 2..50 {
        fixture.publish(100 + number);
        let (row, has_ended) = body(&line.take());
        assert_eq!(
            row,
            format!(
                "<tr><td>{number}<td>2023-11-14 22:13:20.{number:03}<td>{}<td>1.0<td>4×3\n",
                100 + number
            )
        );
        assert!(!has_ended);
    }
    line.end();
    fixture.readable(key);
    fixture.publish(200);
    assert_eq!(
        rows(&body(&line.take()).0).len(),
        1,
        "a half-closed reader is sent rows"
    );
    line.reset();
    fixture.publish(201);
    assert!(
        fixture.hub.connections().is_empty()
            && !fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );
}

#[test]
fn http_1_0_peer_gets_a_table_that_ends_with_the_connection() {
    let mut fixture = Fixture::new();
    fixture.publish(100);
    let (line, key) = fixture.connect();
    line.send("GET /table?rows=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    fixture.readable(key);
    let text = line.take_text();
    assert!(text.contains("Connection: close\r\n") && !text.contains("chunked"));
    assert!(text.ends_with("×3\n</table>\n"));
    assert_eq!(rows(&text).len(), 3);
    assert!(line.is_shut());
}

#[test]
fn slow_event_reader_gets_the_newest_whole_event_of_each_topic() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/events");
    line.take();
    line.set_room(10);
    for number in 0..100 {
        fixture.publish(100);
        fixture
            .hub
            .publish_figures(Topic::State, format!("{{\"state\":{number}}}").into());
        fixture
            .hub
            .publish_figures(Topic::Loop, format!("{{\"loop\":{number}}}").into());
        fixture.turn();
    }
    line.set_room(usize::MAX);
    fixture.writable(key);
    let told = events(&line);
    // The event in flight, and then one of each topic.
    assert_eq!(told.len(), 4);
    assert!(told[0].1.contains("\"sequence\":1,"));
    assert!(told[1].1.contains("\"sequence\":100,"));
    assert_eq!(told[2].1, "event: state\ndata: {\"state\":99}");
    assert_eq!(told[3].1, "event: loop\ndata: {\"loop\":99}");
    assert!(
        told.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "the numbers rise"
    );
    assert_eq!(
        fixture.hub.live().totals.events_missed,
        98,
        "missed frames are counted"
    );
}

#[test]
fn rows_that_a_slow_reader_missed_are_counted() {
    let mut fixture = Fixture::new();
    fixture.publish(100);
    let (line, key) = fixture.ask("/table");
    assert_eq!(rows(&body(&line.take()).0).len(), 1);
    line.set_room(0);
    for _ in 0..1500 {
        fixture.publish(100);
        fixture.turn();
    }
    line.set_room(usize::MAX);
    let mut told = 0;
    for _ in 0..100 {
        fixture.writable(key);
        told += rows(&body(&line.take()).0).len();
    }
    // The first row was in flight, and the log has the last thousand.
    assert_eq!((told, fixture.hub.live().totals.events_missed), (1001, 499));
}

#[test]
fn event_reader_with_last_event_id_gets_the_later_events_in_the_log() {
    let mut fixture = Fixture::new();
    for _ in 0..1500 {
        fixture.publish(100);
    }
    for (last, expected) in [
        ("1400", 1401..1501),
        ("1500", 0..0),
        ("7", 501..1501),
        ("99999", 0..0),
    ] {
        let (line, key) = fixture.ask(&format!("/events?last={last}"));
        let told: Vec<u64> = events(&line).into_iter().map(|(id, _)| id).collect();
        assert_eq!(told, expected.collect::<Vec<_>>(), "after {last}");
        line.end();
        fixture.readable(key);
    }
    let (line, _) = fixture.ask("/events");
    assert_eq!(events(&line), []);
    fixture.publish(100);
    assert_eq!(events(&line).len(), 1);
}

#[test]
fn outdated_statistics_are_not_sent() {
    let mut fixture = Fixture::new();
    let (_line, key) = fixture.ask("/events");
    fixture.hub.publish_figures(Topic::State, "{}".into());
    fixture.turn();
    let (new_viewer, newcomer_key) = fixture.ask("/events");
    assert_eq!(
        events(&new_viewer).len(),
        1,
        "a new event stream receives its first event at once"
    );
    for key in [key, newcomer_key] {
        fixture.gone(key);
    }
    assert!(!fixture.hub.subscribers(Topic::State) > 0);
    let (late, _) = fixture.ask("/events");
    assert_eq!(events(&late), []);
}

#[test]
fn idle_event_stream_gets_keep_alive_bytes() {
    let mut fixture = Fixture::new();
    let (table, _) = fixture.ask("/table");
    let (listener, _) = fixture.ask("/events");
    table.take();
    listener.take();
    for _ in 0..3 {
        fixture.pass(Duration::from_millis(14_999));
        assert_eq!((table.take(), listener.take()), (Vec::new(), Vec::new()));
        fixture.pass(Duration::from_millis(1));
        assert_eq!(table.take_text(), "1\r\n\n\r\n");
        assert_eq!(listener.take_text(), "3\r\n:\n\n\r\n");
    }
}

#[test]
fn event_reader_that_takes_no_byte_is_closed_after_30_s_without_work() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/table");
    line.take();
    line.set_room(0);
    fixture.publish(100);
    let writes = line.writes();
    for _ in 0..299 {
        fixture.publish(100);
        fixture.pass(Duration::from_millis(100));
    }
    assert_eq!(line.writes(), writes);
    assert!(queued(&fixture) < 100);
    fixture.pass(Duration::from_millis(100));
    assert!(
        fixture.hub.connections().is_empty()
            && !fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );
    assert_eq!(fixture.hub.live().totals.closed.stall_timeout, 1);
}

#[test]
fn shutdown_ends_endless_bodies_and_completes_others() {
    let mut fixture = Fixture::new();
    fixture.publish(100);
    let (endless, _) = fixture.ask("/table");
    let (listener, _) = fixture.ask("/events");
    let (long, key) = fixture.connect();
    long.set_room(500);
    long.send("GET /table?rows=2000 HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    fixture.hub.shut_down(fixture.now);
    fixture.turn();
    for line in [endless, listener] {
        assert!(line.take_text().ends_with("0\r\n\r\n"));
        assert!(line.is_shut());
    }
    long.set_room(usize::MAX);
    fixture.writable(key);
    let (body, has_ended) = body(&long.take());
    assert_eq!((rows(&body).len(), has_ended), (2000, true));
    assert!(long.is_shut());
}

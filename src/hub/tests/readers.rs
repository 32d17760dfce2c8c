//! Bodies that are made as they are sent: tables of frames, and events.

use std::time::Duration;

use crate::stream::Topic;

use super::peer::{Line, Studio};

/// The most that is made in one go, with what frames it.
const CHUNK_BYTES_MAX: usize = 16 * 1024 + 16;

/// What came in whole chunks, out of them; the head is left away. Says, too, whether the last chunk
/// came.
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

fn queued(studio: &Studio) -> usize {
    studio
        .hub
        .connections()
        .iter()
        .map(|(_, connection)| connection.queue.bytes_queued())
        .max()
        .unwrap_or_default()
}

#[test]
fn a_table_of_any_length_is_made_only_as_fast_as_it_is_taken() {
    let mut studio = Studio::new();
    (0..3).for_each(|_| drop(studio.publish(100)));
    let (line, key) = studio.connect();
    line.set_room(1000);
    line.send("GET /table?rows=20000 HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    let mut taken = line.take();
    for _ in 0..20_000 {
        assert!(
            queued(&studio) <= CHUNK_BYTES_MAX,
            "{} bytes are queued",
            queued(&studio)
        );
        line.set_room(1000);
        studio.writable(key);
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
    // The past is told again and again.
    assert!(
        rows.iter()
            .enumerate()
            .all(|(place, row)| row.starts_with(&format!("<tr><td>{}<td>", place % 3 + 1)))
    );
    // And then the connection is there for another request.
    line.set_room(usize::MAX);
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    assert!(line.take_text().ends_with("/page"));
}

#[test]
fn a_table_without_end_has_a_row_for_each_frame_and_watches_the_camera() {
    let mut studio = Studio::new();
    studio.publish(100);
    let (line, key) = studio.ask("/table");
    let (opening, _) = body(&line.take());
    assert_eq!(rows(&opening).len(), 1);
    assert!(
        studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0 && studio.hub.live().viewers() == 0
    );
    assert_eq!(studio.snapshot().connections.tables, 1);
    for number in 2..50 {
        studio.publish(100 + number);
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
    studio.readable(key);
    studio.publish(200);
    assert_eq!(
        rows(&body(&line.take()).0).len(),
        1,
        "a half-closed reader is sent rows"
    );
    line.reset();
    studio.publish(201);
    assert!(
        studio.hub.connections().is_empty()
            && !studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );
}

#[test]
fn one_who_speaks_an_older_version_is_sent_the_table_up_to_the_end_of_the_connection() {
    let mut studio = Studio::new();
    studio.publish(100);
    let (line, key) = studio.connect();
    line.send("GET /table?rows=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    studio.readable(key);
    let text = line.take_text();
    assert!(text.contains("Connection: close\r\n") && !text.contains("chunked"));
    assert!(text.ends_with("×3\n</table>\n"));
    assert_eq!(rows(&text).len(), 3);
    assert!(line.is_shut());
}

#[test]
fn a_listener_that_is_slow_is_told_the_newest_of_each_kind_and_whole() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/events");
    line.take();
    line.set_room(10);
    for number in 0..100 {
        studio.publish(100);
        studio
            .hub
            .publish_figures(Topic::State, format!("{{\"state\":{number}}}").into());
        studio
            .hub
            .publish_figures(Topic::Loop, format!("{{\"loop\":{number}}}").into());
        studio.turn();
    }
    line.set_room(usize::MAX);
    studio.writable(key);
    let told = events(&line);
    // What had begun, and then one of each.
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
        studio.hub.live().totals.events_missed,
        98,
        "missed frames are counted"
    );
}

#[test]
fn rows_that_a_slow_reader_will_never_see_are_counted() {
    let mut studio = Studio::new();
    studio.publish(100);
    let (line, key) = studio.ask("/table");
    assert_eq!(rows(&body(&line.take()).0).len(), 1);
    line.set_room(0);
    for _ in 0..1500 {
        studio.publish(100);
        studio.turn();
    }
    line.set_room(usize::MAX);
    let mut told = 0;
    for _ in 0..100 {
        studio.writable(key);
        told += rows(&body(&line.take()).0).len();
    }
    // The first of them was on its way, and the last thousand are remembered.
    assert_eq!((told, studio.hub.live().totals.events_missed), (1001, 499));
}

#[test]
fn a_listener_that_says_where_it_stopped_is_told_the_rest_as_far_as_it_is_remembered() {
    let mut studio = Studio::new();
    for _ in 0..1500 {
        studio.publish(100);
    }
    for (last, expected) in [
        ("1400", 1401..1501),
        ("1500", 0..0),
        ("7", 501..1501),
        ("99999", 0..0),
    ] {
        let (line, key) = studio.ask(&format!("/events?last={last}"));
        let told: Vec<u64> = events(&line).into_iter().map(|(id, _)| id).collect();
        assert_eq!(told, expected.collect::<Vec<_>>(), "after {last}");
        line.end();
        studio.readable(key);
    }
    let (line, _) = studio.ask("/events");
    assert_eq!(events(&line), []);
    studio.publish(100);
    assert_eq!(events(&line).len(), 1);
}

#[test]
fn news_that_nobody_keeps_up_to_date_is_not_told() {
    let mut studio = Studio::new();
    let (_line, key) = studio.ask("/events");
    studio.hub.publish_figures(Topic::State, "{}".into());
    studio.turn();
    let (newcomer, newcomer_key) = studio.ask("/events");
    assert_eq!(
        events(&newcomer).len(),
        1,
        "while others listen, a newcomer is told at once"
    );
    for key in [key, newcomer_key] {
        studio.gone(key);
    }
    assert!(!studio.hub.subscribers(Topic::State) > 0);
    let (late, _) = studio.ask("/events");
    assert_eq!(events(&late), []);
}

#[test]
fn a_long_silence_is_broken_by_what_means_nothing() {
    let mut studio = Studio::new();
    let (table, _) = studio.ask("/table");
    let (listener, _) = studio.ask("/events");
    table.take();
    listener.take();
    for _ in 0..3 {
        studio.pass(Duration::from_millis(14_999));
        assert_eq!((table.take(), listener.take()), (Vec::new(), Vec::new()));
        studio.pass(Duration::from_millis(1));
        assert_eq!(table.take_text(), "1\r\n\n\r\n");
        assert_eq!(listener.take_text(), "3\r\n:\n\n\r\n");
    }
}

#[test]
fn a_reader_that_takes_no_byte_is_closed_after_30_s_and_makes_no_work() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/table");
    line.take();
    line.set_room(0);
    studio.publish(100);
    let writes = line.writes();
    for _ in 0..299 {
        studio.publish(100);
        studio.pass(Duration::from_millis(100));
    }
    assert_eq!(line.writes(), writes);
    assert!(queued(&studio) < 100);
    studio.pass(Duration::from_millis(100));
    assert!(
        studio.hub.connections().is_empty()
            && !studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );
    assert_eq!(studio.hub.live().totals.closed.stall_timeout, 1);
}

#[test]
fn a_shutdown_ends_what_has_no_end_and_finishes_what_has_one() {
    let mut studio = Studio::new();
    studio.publish(100);
    let (endless, _) = studio.ask("/table");
    let (listener, _) = studio.ask("/events");
    let (long, key) = studio.connect();
    long.set_room(500);
    long.send("GET /table?rows=2000 HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    studio.hub.shut_down(studio.now);
    studio.turn();
    for line in [endless, listener] {
        assert!(line.take_text().ends_with("0\r\n\r\n"));
        assert!(line.is_shut());
    }
    long.set_room(usize::MAX);
    studio.writable(key);
    let (body, has_ended) = body(&long.take());
    assert_eq!((rows(&body).len(), has_ended), (2000, true));
    assert!(long.is_shut());
}

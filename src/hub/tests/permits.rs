//! Streams end with the credential that opened them.

use std::time::Duration;

use crate::hub::Limits;

use super::peer::{Fixture, part};

const SECOND: Duration = Duration::from_secs(1);

fn with_history() -> Fixture {
    Fixture::with(Limits {
        history_span: 10 * SECOND,
        ..Limits::default()
    })
}

#[test]
fn stream_ends_on_a_part_boundary_when_its_permit_does() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?until_ms=3000");
    let jpeg = fixture.publish(100);
    fixture.pass(SECOND);
    let text = line.take();
    assert!(
        text.ends_with(&part(1, &jpeg)),
        "{}",
        String::from_utf8_lossy(&text)
    );
    fixture.pass(2 * SECOND - Duration::from_millis(1));
    line.take();
    assert!(!line.is_shut());
    fixture.pass(Duration::from_millis(1));
    assert_eq!(line.take_text(), "\r\n--frame--\r\n");
    assert!(line.is_shut());
    fixture.publish(100);
    assert_eq!(line.take_text(), "");
    fixture.pass(2 * SECOND);
    assert!(fixture.hub.connections().is_empty());
    assert_eq!(fixture.hub.live().totals.credential_expired, 1);
}

#[test]
fn frame_in_flight_arrives_whole_before_the_end() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream?until_ms=1000");
    line.take();
    line.set_room(50);
    let jpeg = fixture.publish(1000);
    fixture.publish(1000);
    fixture.pass(SECOND);
    line.set_room(usize::MAX);
    fixture.writable(key);
    let mut expected = part(1, &jpeg);
    expected.extend_from_slice(b"\r\n--frame--\r\n");
    let got = line.take();
    assert!(got == expected, "{}", String::from_utf8_lossy(&got));
}

#[test]
fn stream_ends_although_it_waits_for_its_first_frame() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?until_ms=1000");
    line.take();
    fixture.pass(SECOND);
    assert!(line.is_shut() && line.take_text().ends_with("--frame--\r\n"));
}

#[test]
fn permit_that_has_ended_already_opens_nothing_for_long() {
    let mut fixture = Fixture::new();
    fixture.pass(SECOND);
    let (line, _) = fixture.ask("/stream?until_ms=500");
    fixture.pass(Duration::ZERO);
    assert!(line.is_shut());
}

#[test]
fn tables_and_events_end_and_a_clip_is_cut() {
    let mut fixture = with_history();
    fixture.publish(20_000);
    let (table, _) = fixture.ask("/table?until_ms=2000");
    let (events, _) = fixture.ask("/events?until_ms=2000");
    let (clip, key) = fixture.connect();
    clip.set_room(500);
    clip.send("GET /clip?until_ms=2000 HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    fixture.pass(2 * SECOND);
    for endless in [table, events] {
        assert!(
            endless.take_text().ends_with("0\r\n\r\n"),
            "the last chunk (RFC 9112, section 7.1)"
        );
        assert!(endless.is_shut());
    }
    assert!(
        fixture.hub.connections().get(key).is_none(),
        "a clip must not seem complete"
    );
    assert_eq!(
        (
            fixture.hub.live().totals.credential_expired,
            fixture.hub.live().totals.closed.credential_expired
        ),
        (3, 1)
    );
}

#[test]
fn waiting_request_is_authorized_again_when_its_permit_ends() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/wait?until_ms=2000");
    fixture.pass(2 * SECOND);
    assert!(line.take_text().ends_with("timeout"));
}

#[test]
fn next_request_of_a_connection_has_a_permit_of_its_own() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/page?until_ms=1000&credential=7");
    line.take();
    line.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    fixture.publish(100);
    fixture.pass(SECOND);
    fixture
        .hub
        .revoke(|permit| permit.credential != 7, fixture.now);
    fixture.turn();
    assert!(fixture.hub.connections().get(key).is_some() && !line.is_shut());
}

#[test]
fn revoked_credential_ends_what_it_opened_and_nothing_else() {
    let mut fixture = with_history();
    fixture.publish(100);
    let targets = ["/stream?", "/table?", "/events?", "/page?"];
    let opened = |credential| targets.map(|target| format!("{target}credential={credential}"));
    let revoked = opened(7).map(|target| fixture.ask(&target).0);
    let others = opened(8).map(|target| fixture.ask(&target).0);
    fixture
        .hub
        .revoke(|permit| permit.credential != 7, fixture.now);
    fixture.turn();
    assert_eq!(
        revoked.map(|line| line.is_shut()),
        [true, true, true, false],
        "a page has been answered already"
    );
    assert_eq!(others.map(|line| line.is_shut()), [false; 4]);
    assert_eq!(fixture.hub.live().totals.credential_expired, 3);
}

//! Handshakes: a budget in each turn, a timeout, and none is lost.

use std::time::Duration;

use crate::hub::{Limits, Wake};

use super::fixture::{Client, Fixture, WATCH};
use super::wire::{FaultProfile, Random};

#[test]
fn burst_of_handshakes_is_spread_over_turns_and_none_is_lost() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.steps = 2;
    let mut clients: Vec<Client> = (0..20)
        .map(|seed| fixture.connect(FaultProfile::NONE, Random::new(seed)))
        .collect();
    for client in &mut clients {
        client.request(WATCH);
        client.send(usize::MAX);
    }
    // Each client has sent its first flight. A turn answers two of them; the others get no further
    // edge.
    for turn in 1..=10 {
        fixture.turn(&clients);
        let answered = clients
            .iter()
            .filter(|client| !client.end.0.borrow().to_client.is_empty())
            .count();
        assert_eq!(answered, 2 * turn);
        assert!(
            turn == 10 || fixture.hub.next_wake() == Wake::Now,
            "the others stay ready"
        );
    }
    fixture.settle(&mut clients);
    assert_eq!(fixture.hub.live().viewers(), 20);
}

#[test]
fn unfinished_handshake_is_closed_after_5_s() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [(); 3].map(|()| fixture.connect(FaultProfile::NONE, Random::new(1)));
    // The first client sends nothing, the second a part of ClientHello, the third all of it.
    clients[1].send(50);
    clients[2].send(usize::MAX);
    fixture.turn(&clients);
    fixture.now += Duration::from_millis(4_999);
    fixture.turn(&clients);
    assert_eq!(fixture.hub.connections().len(), 3);
    fixture.now += Duration::from_millis(1);
    fixture.turn(&clients);
    assert_eq!(fixture.hub.live().totals.closed.request_timeout, 3);
}

/// The delay is the server's own.
#[test]
fn handshake_that_waits_for_the_budget_does_not_time_out() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.steps = 0;
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0].request(WATCH);
    clients[0].send(usize::MAX);
    fixture.turn(&clients);
    fixture.now += Duration::from_secs(6);
    fixture.turn(&clients);
    fixture.steps = 8;
    fixture.settle(&mut clients);
    assert_eq!(fixture.hub.live().viewers(), 1);
}

#[test]
fn request_timeout_begins_after_the_handshake() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    fixture.now += Duration::from_secs(4);
    fixture.settle(&mut clients);
    assert!(!clients[0].tls.is_handshaking());
    fixture.now += Duration::from_secs(9);
    fixture.turn(&clients);
    clients[0].request(WATCH);
    fixture.settle(&mut clients);
    assert_eq!(fixture.hub.live().viewers(), 1);
}

#[test]
fn plain_http_is_answered_with_400() {
    let mut fixture = Fixture::new(Limits::default());
    let profile = FaultProfile {
        chunk_bytes: 3,
        ..FaultProfile::NONE
    };
    let clients = [fixture.connect(profile, Random::new(1))];
    clients[0]
        .end
        .0
        .borrow_mut()
        .to_server
        .extend(WATCH.as_bytes());
    for _ in 0..100 {
        fixture.turn(&clients);
    }
    let reply: Vec<u8> = clients[0]
        .end
        .0
        .borrow()
        .to_client
        .iter()
        .copied()
        .collect();
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{reply}");
    assert!(reply.ends_with("use https:// in the address.\n"), "{reply}");
    assert!(clients[0].end.0.borrow().shut);
}

#[test]
fn garbage_instead_of_a_handshake_is_closed_at_once() {
    let mut fixture = Fixture::new(Limits::default());
    let clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0]
        .end
        .0
        .borrow_mut()
        .to_server
        .extend(b"\x16\x03\x01\x00\x05garbage");
    fixture.turn(&clients);
    assert_eq!(fixture.hub.live().totals.closed.transport_error, 1);
}

/// A peer may send messages without data for ever. Each turn reads few of them.
#[test]
fn endless_messages_without_data_are_bounded_in_each_turn() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0].request(WATCH);
    fixture.settle(&mut clients);
    for _ in 0..30 {
        clients[0].tls.refresh_traffic_keys().unwrap();
        clients[0].send(usize::MAX);
    }
    clients[0].end.0.borrow_mut().profile.chunk_bytes = 1;
    let before = clients[0].end.0.borrow().to_server.len();
    fixture.turn(&clients);
    let read = before - clients[0].end.0.borrow().to_server.len();
    assert!(
        (1..=100).contains(&read),
        "{read} bytes were read in one turn"
    );
    assert!(fixture.hub.next_wake() == Wake::Now);
    fixture.settle(&mut clients);
    assert_eq!(fixture.hub.live().viewers(), 1);
}

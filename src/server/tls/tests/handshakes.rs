//! Handshakes: bounded in each turn and in time, and none of them lost.

use std::time::Duration;

use crate::hub::{Limits, Wake};

use super::studio::{Client, Studio, WATCH};
use super::wire::{Random, Weather};

#[test]
fn a_burst_of_handshakes_is_spread_over_turns_and_none_is_lost() {
    let mut studio = Studio::new(Limits::default());
    studio.steps = 2;
    let mut clients: Vec<Client> = (0..20)
        .map(|seed| studio.connect(Weather::CALM, Random::new(seed)))
        .collect();
    for client in &mut clients {
        client.say(WATCH);
        client.send(usize::MAX);
    }
    // Each has sent its first flight; a turn answers two of them, and the others wait without
    // another edge.
    for turn in 1..=10 {
        studio.turn(&clients);
        let answered = clients
            .iter()
            .filter(|client| !client.end.0.borrow().to_client.is_empty())
            .count();
        assert_eq!(answered, 2 * turn);
        assert!(
            turn == 10 || studio.hub.next_wake() == Wake::Now,
            "those that wait are remembered"
        );
    }
    studio.settle(&mut clients);
    assert_eq!(studio.hub.live().viewers(), 20);
}

#[test]
fn who_does_not_finish_its_handshake_is_let_go_after_5_s() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [(); 3].map(|()| studio.connect(Weather::CALM, Random::new(1)));
    // One says nothing, one half of a hello, one all of it and then no more.
    clients[1].send(50);
    clients[2].send(usize::MAX);
    studio.turn(&clients);
    studio.now += Duration::from_millis(4_999);
    studio.turn(&clients);
    assert_eq!(studio.hub.connections().len(), 3);
    studio.now += Duration::from_millis(1);
    studio.turn(&clients);
    assert_eq!(studio.hub.live().totals.closed.request_timeout, 3);
}

/// Nobody loses a handshake to our own delay.
#[test]
fn who_waits_for_its_turn_is_not_late() {
    let mut studio = Studio::new(Limits::default());
    studio.steps = 0;
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0].say(WATCH);
    clients[0].send(usize::MAX);
    studio.turn(&clients);
    studio.now += Duration::from_secs(6);
    studio.turn(&clients);
    studio.steps = 8;
    studio.settle(&mut clients);
    assert_eq!(studio.hub.live().viewers(), 1);
}

#[test]
fn after_its_handshake_a_peer_has_the_usual_time_for_its_request() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    studio.now += Duration::from_secs(4);
    studio.settle(&mut clients);
    assert!(!clients[0].tls.is_handshaking());
    studio.now += Duration::from_secs(9);
    studio.turn(&clients);
    clients[0].say(WATCH);
    studio.settle(&mut clients);
    assert_eq!(studio.hub.live().viewers(), 1);
}

#[test]
fn who_speaks_plain_http_is_told_so() {
    let mut studio = Studio::new(Limits::default());
    let weather = Weather {
        chunk_bytes: 3,
        ..Weather::CALM
    };
    let clients = [studio.connect(weather, Random::new(1))];
    clients[0]
        .end
        .0
        .borrow_mut()
        .to_server
        .extend(WATCH.as_bytes());
    for _ in 0..100 {
        studio.turn(&clients);
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
fn what_is_no_tls_is_let_go_at_once() {
    let mut studio = Studio::new(Limits::default());
    let clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0]
        .end
        .0
        .borrow_mut()
        .to_server
        .extend(b"\x16\x03\x01\x00\x05garbage");
    studio.turn(&clients);
    assert_eq!(studio.hub.live().totals.closed.transport_error, 1);
}

/// Messages that are no data, without end: they cost a turn little, and keep nobody from the next.
#[test]
fn a_peer_that_sends_what_is_no_data_does_not_hold_up_the_turn() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0].say(WATCH);
    studio.settle(&mut clients);
    for _ in 0..30 {
        clients[0].tls.refresh_traffic_keys().unwrap();
        clients[0].send(usize::MAX);
    }
    clients[0].end.0.borrow_mut().weather.chunk_bytes = 1;
    let before = clients[0].end.0.borrow().to_server.len();
    studio.turn(&clients);
    let read = before - clients[0].end.0.borrow().to_server.len();
    assert!(
        (1..=100).contains(&read),
        "{read} bytes were read in one turn"
    );
    assert!(studio.hub.next_wake() == Wake::Now);
    studio.settle(&mut clients);
    assert_eq!(studio.hub.live().viewers(), 1);
}

//! No edge and no byte is lost, whatever the transport does: short reads and writes, "would block".

use crate::hub::Limits;
use crate::stream::counts::FrameCounts;

use super::fixture::{Client, Fixture, WATCH};
use super::wire::{FaultProfile, Random};

/// Checks that the client has received the published frames, in order, and that the hub has counted
/// them. The client must have received all bytes from the kernel.
fn check(fixture: &Fixture, client: &Client) {
    let parts = client.parts();
    for (index, (sequence, jpeg)) in parts.iter().enumerate() {
        assert!(
            fixture.published[*sequence as usize - 1] == *jpeg,
            "frame {sequence} differs from the published one"
        );
        assert!(
            index == 0 || parts[index - 1].0 <= *sequence,
            "a frame is older than the previous one"
        );
    }
    let counts: FrameCounts = fixture.snapshot().frames;
    assert_eq!(
        counts.delivered + counts.repeated,
        parts.len() as u64,
        "each received frame is counted"
    );
}

fn random_profile(random: &mut Random) -> FaultProfile {
    FaultProfile {
        chunk_bytes: [1, 7, 500, 5_000, usize::MAX][random.below(5)],
        send_buffer: [1, 100, 4_000, 20_000, 300_000][random.below(5)],
        spurious_blocks: [0, 2, 5, 50][random.below(4)],
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let limits = Limits {
        read_budget_bytes: [64, 1_000, 16 * 1024][random.below(3)],
        write_budget_bytes: [500, 10_000, 256 * 1024][random.below(3)],
        ..Limits::default()
    };
    let mut fixture = Fixture::new(limits);
    let profile = random_profile(&mut random);
    let mut clients = [fixture.connect(profile, random.clone())];
    clients[0].request(WATCH);
    let frame_bytes = [100, 16_000, 40_000][random.below(3)];
    for _ in 0..300 {
        let client = &mut clients[0];
        client.send(random.below(300));
        if !random.one_in(3) {
            client.receive(1 + random.below(30_000));
        }
        if random.one_in(30) && !client.tls.is_handshaking() {
            // KeyUpdate (RFC 8446, section 4.6.3), in the middle of other data.
            client.tls.refresh_traffic_keys().unwrap();
        }
        if random.one_in(10) {
            fixture.publish(1 + random.below(frame_bytes));
        }
        fixture.turn(&clients);
        if random.one_in(20) {
            clients[0].receive(usize::MAX);
            check(&fixture, &clients[0]);
        }
    }
    clients[0].end.0.borrow_mut().profile = FaultProfile::NONE;
    fixture.publish(1 + random.below(frame_bytes));
    fixture.settle(&mut clients);
    check(&fixture, &clients[0]);
    let newest = fixture.published.len() as u64;
    assert_eq!(
        clients[0].parts().last().map(|part| part.0),
        Some(newest),
        "the newest frame arrives"
    );

    fixture.hub.shut_down(fixture.now);
    fixture.settle(&mut clients);
    assert!(
        clients[0].received.ends_with(b"\r\n--frame--\r\n"),
        "the stream ends on a boundary"
    );
    assert!(
        clients[0].has_ended && clients[0].end.0.borrow().shut,
        "and with close_notify"
    );
    clients[0].end.0.borrow_mut().client_ended = true;
    fixture.settle(&mut clients);
    assert!(fixture.hub.connections().is_empty());
}

#[test]
fn stream_over_a_faulty_transport_arrives_whole() {
    for seed in 0..100 {
        let run = std::panic::catch_unwind(|| run(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

/// A viewer that does not read holds few encrypted bytes, and a frame that has not begun is replaced
/// by a newer one.
#[test]
fn slow_viewer_finishes_its_frame_and_skips_to_the_newest() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0].request(WATCH);
    fixture.settle(&mut clients);
    clients[0].end.0.borrow_mut().profile.send_buffer = 20_000;
    for _ in 0..10 {
        fixture.publish(50_000);
        fixture.turn(&clients);
    }
    assert_eq!(clients[0].end.0.borrow().to_client.len(), 20_000);
    let (_, connection) = fixture.hub.connections().iter().next().expect("the viewer");
    // The bytes of the first frame that have left the queue: those in the kernel, and 32 KiB at most
    // in the session.
    let held = 50_000 - connection.queue.bytes_queued();
    assert!(
        (20_000 - 1_000..20_000 + 32 * 1024).contains(&held),
        "{held} bytes have left the queue"
    );
    fixture.settle(&mut clients);
    assert_eq!(
        clients[0]
            .parts()
            .iter()
            .map(|part| part.0)
            .collect::<Vec<_>>(),
        [1, 10]
    );
    assert_eq!(fixture.snapshot().frames.skipped_slow, 8);
}

/// Bytes in the session, which the kernel has not taken, leave with the next edge although the queue
/// is empty.
#[test]
fn last_record_leaves_although_nothing_follows() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0].request(WATCH);
    fixture.settle(&mut clients);
    clients[0].end.0.borrow_mut().profile.send_buffer = 1_000;
    fixture.publish(10_000);
    fixture.turn(&clients);
    assert_eq!(
        fixture.snapshot().frames.delivered,
        0,
        "it has left the queue, but not the session"
    );
    fixture.settle(&mut clients);
    assert_eq!(clients[0].parts().len(), 1);
    assert_eq!(fixture.snapshot().frames.delivered, 1);
}

#[test]
fn pipelined_requests_are_answered_whole() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut fixture = Fixture::new(Limits::default());
        let profile = random_profile(&mut random);
        let mut clients = [fixture.connect(profile, random)];
        for path in ["/first", "/second"] {
            clients[0].request(&format!("GET {path} HTTP/1.1\r\nHost: cam\r\n\r\n"));
        }
        fixture.settle(&mut clients);
        let text = String::from_utf8(clients[0].received.clone()).unwrap();
        assert!(
            text.ends_with(&"/second".repeat(500)) && text.contains(&"/first".repeat(500)),
            "seed {seed}"
        );
    }
}

/// Browsers close the connection without close_notify when the user leaves a page.
#[test]
fn viewer_that_ends_without_close_notify_is_closed() {
    let mut fixture = Fixture::new(Limits::default());
    let mut clients = [fixture.connect(FaultProfile::NONE, Random::new(1))];
    clients[0].request(WATCH);
    fixture.settle(&mut clients);
    assert_eq!(fixture.hub.live().viewers(), 1);
    clients[0].end.0.borrow_mut().client_ended = true;
    fixture.turn(&clients);
    assert_eq!(fixture.hub.live().totals.closed.peer_closed, 1);
}

//! No edge is lost and no byte, whatever the way to the peer does to them.

use crate::hub::Limits;
use crate::stream::counts::FrameCounts;

use super::studio::{Client, Studio, WATCH};
use super::wire::{Random, Weather};

/// What the hub says it delivered is what a client can decrypt that takes all that the kernel has.
fn check(studio: &Studio, client: &Client) {
    let parts = client.parts();
    for (index, (sequence, jpeg)) in parts.iter().enumerate() {
        assert!(
            studio.published[*sequence as usize - 1] == *jpeg,
            "frame {sequence} is not what was published"
        );
        assert!(
            index == 0 || parts[index - 1].0 <= *sequence,
            "a frame is older than the one before"
        );
    }
    let counts: FrameCounts = studio.snapshot().frames;
    assert_eq!(
        counts.delivered + counts.repeated,
        parts.len() as u64,
        "what is delivered has left, and is counted"
    );
}

fn draw_weather(random: &mut Random) -> Weather {
    Weather {
        chunk_bytes: [1, 7, 500, 5_000, usize::MAX][random.below(5)],
        send_buffer: [1, 100, 4_000, 20_000, 300_000][random.below(5)],
        hiccups: [0, 2, 5, 50][random.below(4)],
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let limits = Limits {
        read_budget_bytes: [64, 1_000, 16 * 1024][random.below(3)],
        write_budget_bytes: [500, 10_000, 256 * 1024][random.below(3)],
        ..Limits::default()
    };
    let mut studio = Studio::new(limits);
    let weather = draw_weather(&mut random);
    let mut clients = [studio.connect(weather, random.clone())];
    clients[0].say(WATCH);
    let frame_bytes = [100, 16_000, 40_000][random.below(3)];
    for _ in 0..300 {
        let client = &mut clients[0];
        client.send(random.below(300));
        if !random.one_in(3) {
            client.take(1 + random.below(30_000));
        }
        if random.one_in(30) && !client.tls.is_handshaking() {
            // The peer changes its keys and wants ours changed, in the middle of whatever is on its
            // way.
            client.tls.refresh_traffic_keys().unwrap();
        }
        if random.one_in(10) {
            studio.publish(1 + random.below(frame_bytes));
        }
        studio.turn(&clients);
        if random.one_in(20) {
            clients[0].take(usize::MAX);
            check(&studio, &clients[0]);
        }
    }
    clients[0].end.0.borrow_mut().weather = Weather::CALM;
    studio.publish(1 + random.below(frame_bytes));
    studio.settle(&mut clients);
    check(&studio, &clients[0]);
    let newest = studio.published.len() as u64;
    assert_eq!(
        clients[0].parts().last().map(|part| part.0),
        Some(newest),
        "the newest frame is there"
    );

    studio.hub.shut_down(studio.now);
    studio.settle(&mut clients);
    assert!(
        clients[0].received.ends_with(b"\r\n--frame--\r\n"),
        "the stream ends on a boundary"
    );
    assert!(
        clients[0].has_ended && clients[0].end.0.borrow().shut,
        "and with a farewell"
    );
    clients[0].end.0.borrow_mut().client_ended = true;
    studio.settle(&mut clients);
    assert!(studio.hub.connections().is_empty());
}

#[test]
fn the_whole_stream_arrives_whatever_happens_to_its_bytes() {
    for seed in 0..100 {
        let run = std::panic::catch_unwind(|| run(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

/// A viewer that takes nothing holds little that is encrypted, and what has not begun gives way to
/// what is newer.
#[test]
fn a_slow_viewer_finishes_what_it_began_and_skips_to_the_newest() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0].say(WATCH);
    studio.settle(&mut clients);
    clients[0].end.0.borrow_mut().weather.send_buffer = 20_000;
    for _ in 0..10 {
        studio.publish(50_000);
        studio.turn(&clients);
    }
    assert_eq!(clients[0].end.0.borrow().to_client.len(), 20_000);
    let (_, connection) = studio.hub.connections().iter().next().expect("the viewer");
    // Of the first frame, what the kernel took and 32 KiB at most have left the queue.
    let held = 50_000 - connection.queue.bytes_queued();
    assert!(
        (20_000 - 1_000..20_000 + 32 * 1024).contains(&held),
        "{held} bytes are held"
    );
    studio.settle(&mut clients);
    assert_eq!(
        clients[0]
            .parts()
            .iter()
            .map(|part| part.0)
            .collect::<Vec<_>>(),
        [1, 10]
    );
    assert_eq!(studio.snapshot().frames.skipped_slow, 8);
}

/// What was taken from the queue but not by the kernel leaves with the next edge, though the queue
/// holds nothing.
#[test]
fn the_last_record_leaves_though_nothing_follows_it() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0].say(WATCH);
    studio.settle(&mut clients);
    clients[0].end.0.borrow_mut().weather.send_buffer = 1_000;
    studio.publish(10_000);
    studio.turn(&clients);
    assert_eq!(
        studio.snapshot().frames.delivered,
        0,
        "it was taken, but it has not left"
    );
    studio.settle(&mut clients);
    assert_eq!(clients[0].parts().len(), 1);
    assert_eq!(studio.snapshot().frames.delivered, 1);
}

#[test]
fn requests_on_a_kept_connection_are_answered_whole() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut studio = Studio::new(Limits::default());
        let weather = draw_weather(&mut random);
        let mut clients = [studio.connect(weather, random)];
        for path in ["/first", "/second"] {
            clients[0].say(&format!("GET {path} HTTP/1.1\r\nHost: cam\r\n\r\n"));
        }
        studio.settle(&mut clients);
        let text = String::from_utf8(clients[0].received.clone()).unwrap();
        assert!(
            text.ends_with(&"/second".repeat(500)) && text.contains(&"/first".repeat(500)),
            "seed {seed}"
        );
    }
}

/// The end of a connection without a farewell is what browsers do when a page is left.
#[test]
fn a_viewer_that_leaves_without_a_farewell_has_left() {
    let mut studio = Studio::new(Limits::default());
    let mut clients = [studio.connect(Weather::CALM, Random::new(1))];
    clients[0].say(WATCH);
    studio.settle(&mut clients);
    assert_eq!(studio.hub.live().viewers(), 1);
    clients[0].end.0.borrow_mut().client_ended = true;
    studio.turn(&clients);
    assert_eq!(studio.hub.live().totals.closed.peer_closed, 1);
}

//! Clips: the last seconds of a camera as a file; and delayed streams.

use framecast::wire::jpeg;

use crate::support::{Program, eventually};

const CAMERA: [&str; 3] = ["--camera", "front=stills:?fps=20", "--always-on"];

/// Starts a server, and waits until its history has 30 frames.
fn recording(history: &[&str]) -> Program {
    let program = Program::serve(&[&CAMERA[..], history].concat());
    eventually("the history has 30 frames", || {
        program.state()["cameras"][0]["history_frames"].as_u64() >= Some(30)
    });
    program
}

/// Returns the pictures of an AVI file, by its index.
fn pictures_of_avi(file: &[u8]) -> Vec<&[u8]> {
    let length = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(
        (&file[..4], length(4), &file[8..12]),
        (&b"RIFF"[..], file.len() - 8, &b"AVI "[..])
    );
    let movi = file.windows(4).position(|word| word == b"movi").unwrap();
    let index = movi + length(movi - 4);
    assert_eq!(&file[index..index + 4], b"idx1");
    let entries = file[index + 8..index + 8 + length(index + 4)].chunks(16);
    let place = |entry: &[u8], at: usize| {
        u32::from_le_bytes(entry[at..at + 4].try_into().unwrap()) as usize
    };
    entries
        .map(|entry| {
            let start = movi + place(entry, 8);
            assert_eq!(
                (&file[start..start + 4], length(start + 4)),
                (&b"00dc"[..], place(entry, 12))
            );
            &file[start + 8..start + 8 + place(entry, 12)]
        })
        .collect()
}

#[test]
fn clip_longer_than_the_history_has_the_whole_history() {
    let program = recording(&["--history", "2s"]);
    for seconds in ["60", "1e9", "inf"] {
        let reply = program.get(&format!("/clip.avi?seconds={seconds}"));
        assert_eq!(reply.status(), 200, "{seconds}");
        assert!(pictures_of_avi(&reply.body).len() >= 30, "{seconds}");
    }
}

#[test]
fn clip_has_whole_pictures_of_the_last_seconds() {
    let program = recording(&["--history", "30s"]);
    let reply = program.get("/clip.avi?camera=front&seconds=1");
    assert_eq!(
        (reply.status(), reply.field("Content-Type")),
        (200, Some("video/x-msvideo"))
    );
    let disposition = reply.field("Content-Disposition").unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\"front-20")
            && disposition.ends_with("Z.avi\"")
    );
    assert_eq!(
        reply.field("Content-Length"),
        Some(&*reply.body.len().to_string())
    );
    let pictures = pictures_of_avi(&reply.body);
    // One second at 20 fps; a busy machine may lose frames.
    assert!(
        (2..=22).contains(&pictures.len()),
        "{} pictures",
        pictures.len()
    );
    assert!(pictures.iter().all(|picture| jpeg::check(picture).is_ok()));
    assert_eq!(reply.field("X-Frames"), Some(&*pictures.len().to_string()));

    let reply = program.get("/clip.mjpeg");
    assert_eq!(
        (reply.status(), reply.field("Content-Type")),
        (200, Some("video/x-motion-jpeg"))
    );
    let (mut rest, mut count) = (&reply.body[..], 0);
    while !rest.is_empty() {
        rest = &rest[jpeg::first(rest).unwrap().1.len()..];
        count += 1;
    }
    assert!(
        count >= 30 && reply.field("X-Frames") == Some(&*count.to_string()),
        "{count} pictures"
    );
}

#[test]
fn unavailable_clip_is_refused_with_status_and_remedy() {
    let program = Program::serve(&CAMERA);
    let reply = program.get("/clip.avi");
    assert_eq!(reply.status(), 404);
    assert!(reply.text().contains("--history 30s"), "{}", reply.text());

    let program = Program::serve(&["--camera", "front=stills:?fps=20", "--history", "5s"]);
    let reply = program.get("/clip.mjpeg");
    assert_eq!(reply.status(), 503);
    assert!(reply.text().contains("--always-on"), "{}", reply.text());
    for bad in ["0", "0.5", "-1", "NaN", "all"] {
        let reply = program.get(&format!("/clip.avi?seconds={bad}"));
        assert_eq!(reply.status(), 400, "{bad}");
        assert!(
            reply.text().starts_with("Invalid seconds"),
            "{}",
            reply.text()
        );
    }
}

#[test]
fn delayed_stream_shows_earlier_frames() {
    let program = recording(&["--history", "5s"]);
    let mut live = program.watch("/stream");
    let mut late = program.watch("/stream?delay=1.5s&key=late");
    let first = live.part().sequence;
    let mut last = late.part();
    assert!(
        last.sequence + 5 < first,
        "frame {} when {first} is live",
        last.sequence
    );
    while last.sequence < first {
        let next = late.part();
        assert!(next.sequence >= last.sequence && jpeg::check(&next.jpeg).is_ok());
        last = next;
    }
    assert_eq!(program.state()["viewers"], 2);
    for (target, status) in [
        ("/stream?delay=6", 400),
        ("/video_feed?delay=soon", 400),
        ("/stream?delay=-1s", 400),
    ] {
        let reply = program.get(target);
        assert_eq!(reply.status(), status, "{target}");
        assert!(
            reply.text().starts_with("Invalid delay"),
            "{}",
            reply.text()
        );
    }
    let program = Program::serve(&CAMERA);
    assert_eq!(program.get("/stream?delay=1").status(), 404);
}

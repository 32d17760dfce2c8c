//! `stills:DIR?watch=1`: the newest picture of a directory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use framecast::wire::decoder::SourceDecoder;
use framecast::wire::jpeg::FRAME_BYTES_MAX;
use framecast::wire::part::Part;

use super::{FRAMECAST, fifo, picture, watch_for};
use crate::support::{Program, TIMEOUT};

/// A driver with a watched directory, killed when dropped.
struct Watch {
    child: Child,
    parts: Receiver<Part>,
    words: BufReader<ChildStderr>,
}

impl Watch {
    fn new(directory: &Path) -> Self {
        let source = format!("stills:{}?watch=1&fps=100", directory.display());
        let mut command = Command::new(FRAMECAST);
        command
            .args(["capture", &source])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, parts) = channel();
        let output = child.stdout.take().expect("its output is piped");
        std::thread::spawn(move || read(output, |part| drop(sender.send(part))));
        let words = BufReader::new(child.stderr.take().expect("its words are piped"));
        Self {
            child,
            parts,
            words,
        }
    }

    fn next(&self) -> Part {
        self.parts.recv_timeout(TIMEOUT).expect("a frame")
    }

    /// The next line of its stderr.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.words
            .read_line(&mut line)
            .expect("its words can be read");
        line
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each frame of `output` to the test. All must be valid.
fn read(mut output: ChildStdout, mut hand_on: impl FnMut(Part)) {
    let (mut decoder, mut received, mut piece) = (
        SourceDecoder::new(FRAME_BYTES_MAX),
        BytesMut::new(),
        [0; 4096],
    );
    while let Ok(count @ 1..) = output.read(&mut piece) {
        received.extend_from_slice(&piece[..count]);
        while let Some(part) = decoder.decode(&mut received).expect("no frame is flawed") {
            hand_on(part);
        }
    }
}

/// Writes the picture `number` with a modification time of `age` before now.
fn put(directory: &Path, name: &str, number: u16, age: Duration) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, picture(number)).unwrap();
    set_age(&path, age);
    path
}

fn set_age(path: &Path, age: Duration) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - age)
        .unwrap();
}

const NOW: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn watched_directory_shows_newest_picture_then_each_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    put(directory, "3.jpg", 3, MINUTE * 3);
    let newest = put(directory, "1.jpg", 1, MINUTE);
    put(directory, "2.jpeg", 2, MINUTE * 2);
    let watch = Watch::new(directory);
    let part = watch.next();
    assert_eq!(part.jpeg, picture(1));
    let modified = fs::metadata(&newest)
        .unwrap()
        .modified()
        .unwrap()
        .duration_since(UNIX_EPOCH)
        .unwrap();
    assert_eq!(
        part.captured_at.unwrap().since_epoch().as_micros(),
        modified.as_micros(),
        "the capture time is the modification time"
    );

    put(directory, "4.JPG", 4, MINUTE / 2);
    assert_eq!(watch.next().jpeg, picture(4));
    // Overwritten, renamed into the directory, and newer by name only.
    put(directory, "2.jpeg", 5, MINUTE / 3);
    assert_eq!(watch.next().jpeg, picture(5));
    let hidden = put(directory, "6.part", 6, MINUTE / 4);
    fs::rename(hidden, directory.join("6.jpg")).unwrap();
    assert_eq!(watch.next().jpeg, picture(6));
    // Deleting the newest does not show an older one.
    fs::remove_file(directory.join("6.jpg")).unwrap();
    put(directory, "7.jpg", 7, MINUTE / 5);
    assert_eq!(watch.next().jpeg, picture(7));
}

#[test]
fn files_of_equal_age_are_ordered_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let time = SystemTime::now() - MINUTE;
    for number in [10, 9] {
        let path = put(folder.path(), &format!("image{number}.jpg"), number, NOW);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let watch = Watch::new(folder.path());
    assert_eq!(watch.next().jpeg, picture(10));
    let hidden = put(folder.path(), "hidden", 11, NOW);
    File::options()
        .write(true)
        .open(&hidden)
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::rename(hidden, folder.path().join("image11.jpg")).unwrap();
    assert_eq!(watch.next().jpeg, picture(11));
}

#[test]
fn incomplete_file_is_shown_once_complete() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::new(folder.path());
    let path = folder.path().join("1.jpg");
    let whole = picture(1);
    for end in [0, 1, 2, 20, whole.len() / 2, whole.len() - 1, whole.len()] {
        // The decoder of this test rejects a truncated picture.
        fs::write(&path, &whole[..end]).unwrap();
    }
    assert_eq!(watch.next().jpeg, whole);
}

#[test]
fn invalid_file_is_logged_once_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    fifo(&directory.join("pipe.jpg"));
    fs::create_dir(directory.join("folder.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.join("link.jpg")).unwrap();
    put(directory, "good.jpg", 1, MINUTE * 2);
    for name in ["cut1.jpg", "cut2.jpg"] {
        fs::write(directory.join(name), &picture(9)[..50]).unwrap();
        set_age(&directory.join(name), MINUTE);
    }
    let mut watch = Watch::new(directory);
    assert_eq!(watch.next().jpeg, picture(1));
    let mut lines = [watch.line(), watch.line()];
    lines.sort();
    for (line, name) in lines.iter().zip(["cut1.jpg", "cut2.jpg"]) {
        let path = directory.join(name);
        assert!(line.starts_with(&format!("{path:?}: skipped: ")), "{line}");
    }
    put(directory, "cut1.jpg", 2, NOW);
    assert_eq!(watch.next().jpeg, picture(2));
    fs::remove_dir_all(directory).unwrap();
    assert!(
        watch.line().contains("cannot list the directory"),
        "each error is logged once"
    );
}

#[test]
fn watched_directory_may_be_empty_or_missing_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("pictures");
    let source = format!("stills:{}?watch=1", directory.display());
    let problem = format!("{}: cannot list the directory", directory.display());
    let (exit, text) = super::run(&["capture", &source]);
    assert!(exit == 1 && text.contains(&problem), "{text}");
    fs::create_dir(&directory).unwrap();

    let mut watch = Watch::new(&directory);
    put(&directory, "1.jpg", 1, MINUTE);
    assert_eq!(watch.next().jpeg, picture(1));
    fs::rename(&directory, folder.path().join("gone")).unwrap();
    let line = watch.line();
    assert!(
        line.starts_with(&problem) && line.contains("retrying"),
        "{line}"
    );
    // A file of an archive is new although it is older than the picture shown before.
    let archive = folder.path().join("archive");
    fs::create_dir(&archive).unwrap();
    put(&archive, "2.jpg", 2, MINUTE * 60);
    fs::rename(archive, &directory).unwrap();
    assert_eq!(watch.next().jpeg, picture(2));
}

#[test]
fn server_shows_new_files_of_watched_directory() {
    let folder = tempfile::tempdir().unwrap();
    let camera = format!("stills:{}?watch=1&fps=100", folder.path().display());
    let program = Program::serve(&["--camera", &camera]);
    let viewer = program.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    put(folder.path(), "1.jpg", 1, NOW);
    drop(viewer);
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    put(folder.path(), "2.jpg", 2, NOW);
    watch_for(&mut viewer, &picture(2));
}

#[test]
fn watch_without_directory_is_rejected() {
    let (exit, words) = super::run(&["capture", "stills:?watch=1"]);
    assert_eq!(exit, 2);
    assert!(words.contains("watch=1 needs a directory"), "{words}");
}

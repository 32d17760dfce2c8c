//! `stills:DIR?watch=1`: a folder whose newest picture is the camera's.

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

/// A driver that watches, killed when dropped.
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

    /// The next line it says.
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

/// Hands on each frame. None may be flawed.
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

/// Writes the picture `number` as it was at `age` before now.
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
fn the_newest_picture_is_shown_and_then_each_newer_one() {
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
        "it was captured when it was written"
    );

    put(directory, "4.JPG", 4, MINUTE / 2);
    assert_eq!(watch.next().jpeg, picture(4));
    // Written anew, renamed into place, and newer by name alone.
    put(directory, "2.jpeg", 5, MINUTE / 3);
    assert_eq!(watch.next().jpeg, picture(5));
    let hidden = put(directory, "6.part", 6, MINUTE / 4);
    fs::rename(hidden, directory.join("6.jpg")).unwrap();
    assert_eq!(watch.next().jpeg, picture(6));
    // One that is gone brings none of the older ones back.
    fs::remove_file(directory.join("6.jpg")).unwrap();
    put(directory, "7.jpg", 7, MINUTE / 5);
    assert_eq!(watch.next().jpeg, picture(7));
}

#[test]
fn of_two_of_one_age_the_later_name_is_the_newer() {
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
fn a_picture_that_is_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::new(folder.path());
    let path = folder.path().join("1.jpg");
    let whole = picture(1);
    for end in [0, 1, 2, 20, whole.len() / 2, whole.len() - 1, whole.len()] {
        // Of anything but the whole, the decoder of this test would complain.
        fs::write(&path, &whole[..end]).unwrap();
    }
    assert_eq!(watch.next().jpeg, whole);
}

#[test]
fn what_never_becomes_a_picture_is_said_once_and_holds_up_nothing() {
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
        assert_eq!(
            *line,
            format!("left out {path:?}: the picture has no end marker\n")
        );
    }
    put(directory, "cut1.jpg", 2, NOW);
    assert_eq!(watch.next().jpeg, picture(2));
    fs::remove_dir_all(directory).unwrap();
    assert!(
        watch.line().starts_with("cannot read the directory"),
        "nothing was said twice"
    );
}

#[test]
fn a_folder_may_be_empty_and_may_go_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("pictures");
    let source = format!("stills:{}?watch=1", directory.display());
    let sentence = format!(
        "cannot read the directory {}: No such file or directory (os error 2); \
         name a directory that holds JPEG pictures",
        directory.display()
    );
    let (exit, text) = super::run(&["serve", "--camera", &source]);
    assert_eq!(exit, 2);
    assert!(text.contains(&sentence), "{text}");
    fs::create_dir(&directory).unwrap();

    let mut watch = Watch::new(&directory);
    put(&directory, "1.jpg", 1, MINUTE);
    assert_eq!(watch.next().jpeg, picture(1));
    fs::rename(&directory, folder.path().join("gone")).unwrap();
    assert_eq!(watch.line(), format!("{sentence}; waiting for it\n"));
    // What was in an archive is older than what was shown before, and yet it is the newest there
    // is.
    let archive = folder.path().join("archive");
    fs::create_dir(&archive).unwrap();
    put(&archive, "2.jpg", 2, MINUTE * 60);
    fs::rename(archive, &directory).unwrap();
    assert_eq!(watch.next().jpeg, picture(2));
}

#[test]
fn a_server_shows_what_comes_into_the_folder() {
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
fn the_emulated_camera_has_no_folder_to_be_watched() {
    let (exit, words) = super::run(&["capture", "stills:?watch=1"]);
    assert_eq!(exit, 2);
    assert!(
        words.contains(
            "there is no directory to watch; name one, as in stills:/srv/pictures?watch=1"
        ),
        "{words}"
    );
}

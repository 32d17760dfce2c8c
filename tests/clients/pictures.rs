//! Pictures whose time of publication is known, and the clock they are known by.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jpeg_encoder::{ColorType, Encoder};
use tempfile::TempDir;

/// Pictures of one colour each, in a directory that goes when this is dropped.
pub struct Pictures {
    directory: TempDir,
    jpegs: Vec<Vec<u8>>,
}

impl Pictures {
    /// The colours in the order they are shown; each channel is one bit (4 red, 2 green, 1 blue),
    /// so that no encoder and no screen can blur two of them.
    pub const COLOURS: [u8; 6] = [4, 2, 1, 6, 5, 3];

    /// Writes the pictures.
    pub fn write() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the pictures");
        let jpegs: Vec<_> = Self::COLOURS
            .iter()
            .map(|&colour| picture(colour))
            .collect();
        for (index, jpeg) in jpegs.iter().enumerate() {
            std::fs::write(directory.path().join(format!("{index}.jpg")), jpeg)
                .expect("room for a picture");
        }
        Self { directory, jpegs }
    }

    /// The source that shows picture `floor(unix_time * fps) mod 6`, each from its tick on.
    pub fn source(&self, fps: u32) -> String {
        let directory: &Path = self.directory.path();
        format!("stills:{}?fps={fps}", directory.display())
    }

    /// Which picture this is.
    pub fn index_of(&self, jpeg: &[u8]) -> usize {
        self.jpegs
            .iter()
            .position(|known| known == jpeg)
            .expect("the server sends the pictures as they are")
    }
}

fn picture(colour: u8) -> Vec<u8> {
    const SIDE: u16 = 160;
    let pixel = [4, 2, 1].map(|bit| if colour & bit != 0 { 255 } else { 0 });
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 90)
        .encode(
            &pixel.repeat(usize::from(SIDE) * usize::from(SIDE)),
            SIDE,
            SIDE,
            ColorType::Rgb,
        )
        .expect("a picture of one colour can be encoded");
    jpeg
}

/// Wall time, in milliseconds since the Unix epoch: the page's `Date.now()` on the same machine.
pub fn unix_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs_f64()
        * 1000.0
}

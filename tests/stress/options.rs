//! The command line, which cargo shares among all tests.

/// Frames of a day at 30 a second.
const DAY_FRAMES: u64 = 24 * 60 * 60 * 30;

#[derive(Clone, Debug)]
pub enum Task {
    /// The command line names other tests.
    Nothing,
    /// This program is a camera; what kind.
    Camera(Vec<String>),
    /// The attacks of these names; without any, all.
    Attacks { is_full: bool, names: Vec<String> },
    /// So many frames, and what they leave behind.
    Soak { frames: u64 },
}

impl Task {
    /// Reads the words behind `--`. A stress takes longer than other tests and wants the machine to
    /// itself, so without a word of its own there is none; `--ignored`, which asks for such tests,
    /// is the short form.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.collect();
        let Some((first, rest)) = words.split_first() else {
            return Ok(Self::Nothing);
        };
        let names = || {
            rest.iter()
                .filter(|word| !word.starts_with('-'))
                .cloned()
                .collect()
        };
        match first.as_str() {
            "--camera" => Ok(Self::Camera(rest.to_vec())),
            "--short" => Ok(Self::Attacks {
                is_full: false,
                names: names(),
            }),
            "--full" => Ok(Self::Attacks {
                is_full: true,
                names: names(),
            }),
            "--ignored" => Ok(Self::Attacks {
                is_full: false,
                names: Vec::new(),
            }),
            "--soak" => match rest.first().map(|frames| frames.parse()) {
                None => Ok(Self::Soak { frames: DAY_FRAMES }),
                Some(Ok(frames)) => Ok(Self::Soak { frames }),
                Some(Err(_)) => Err("--soak takes a number of frames".into()),
            },
            _ => Ok(Self::Nothing),
        }
    }
}

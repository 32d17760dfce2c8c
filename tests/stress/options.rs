//! The command line. Cargo passes the same arguments to all test programs.

/// Frames of 24 hours at 30 fps.
const DAY_FRAMES: u64 = 24 * 60 * 60 * 30;

#[derive(Clone, Debug)]
pub enum Task {
    /// The arguments are for other tests.
    Nothing,
    /// Run as a driver of this kind.
    Camera(Vec<String>),
    /// Run these attacks, or all.
    Attacks { is_full: bool, names: Vec<String> },
    /// Run the soak test.
    Soak { frames: u64 },
}

impl Task {
    /// Parses the arguments after `--`. Without arguments, no attack runs: they take long and need
    /// the machine to themselves. `--ignored` runs the short form.
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
                Some(Err(_)) => Err("--soak: expected a number of frames".into()),
            },
            _ => Ok(Self::Nothing),
        }
    }
}

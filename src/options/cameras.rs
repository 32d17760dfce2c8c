//! The cameras to show and where to publish them: `NAME=SOURCE` and `CAMERA=URL`.

use std::path::Path;
use std::time::Duration;

use super::given::{Given, unwrapped};
use super::{OptionsError, programs};
use crate::drivers::{Source, SourceError};
use crate::publish::Target;
use crate::server::{CameraSettings, PublisherSettings, StdinFrom, WarmUp};
use crate::wire::printable::composed;
use crate::wire::secret::SecretAddress;

/// The longest name of a camera, in characters. It has to fit a page, a picture and a file's name
/// (255 bytes).
const NAME_CHARACTERS_MAX: usize = 60;

/// Automatic exposure and white balance take some frames to settle after a sensor was started.
const WARM_UP_DEFAULT: Duration = Duration::from_millis(500);

/// What no name may contain: what ends a name or begins a source, separates the pieces of a token,
/// or would have to be escaped in a header or a page.
const FORBIDDEN: [char; 9] = ['=', ':', '/', '?', '~', '\\', '"', '<', '>'];

/// The name of a camera: letters of any script, digits, spaces and most signs.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_invisible = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.is_empty() {
        return Err(
            "a camera's name is missing before the '='; write NAME=SOURCE, or SOURCE alone".into(),
        );
    }
    if text.chars().count() > NAME_CHARACTERS_MAX {
        return Err(format!(
            "a camera's name has at most {NAME_CHARACTERS_MAX} characters"
        ));
    }
    if text.starts_with('#') {
        return Err(format!(
            "a camera's name cannot begin with '#', as a comment does: '{text}'"
        ));
    }
    if text.starts_with("- ") {
        return Err(format!(
            "a camera's name cannot begin with a dash and a space: '{text}'; leave out the dash"
        ));
    }
    if text.contains(is_invisible) {
        return Err(format!(
            "a camera's name cannot contain control characters: {text:?}"
        ));
    }
    match text.chars().find(|character| FORBIDDEN.contains(character)) {
        // Keyboards and file systems write one letter in several ways.
        None => Ok(composed(text).into_owned()),
        Some(wrong) => Err(format!(
            "a camera's name cannot contain {wrong:?}: '{text}'; letters of any script, digits, spaces and signs other \
             than {} are allowed",
            FORBIDDEN.map(String::from).join(" ")
        )),
    }
}

/// The name before the first `=` and what follows it. What holds a `:`, `/` or `?` before that is
/// no name but an address, such as `stills:DIR?fps=1`.
fn split(given: &Given<SecretAddress>) -> Result<(Option<String>, &str), OptionsError> {
    // Quotes of a shell stay in a variable.
    let plain = |text| {
        if given.is_variable {
            unwrapped(text)
        } else {
            text
        }
    };
    match given
        .value
        .expose()
        .split_once('=')
        .filter(|(before, _)| !before.contains([':', '/', '?']))
    {
        None => Ok((None, given.value.expose().trim())),
        Some((before, rest)) => match name(plain(before)) {
            Ok(name) => Ok((Some(name), plain(rest.trim()))),
            Err(fault) => Err(OptionsError::Name {
                place: given.place.clone(),
                fault,
            }),
        },
    }
}

/// What is wrong with the name, if `text` is no source because its name holds what names cannot.
fn fault_of_name(text: &str) -> Option<String> {
    let (before, rest) = text.rsplit_once('=')?;
    // An address may hold a password.
    let is_name = !before.contains('@') && !before.contains("://");
    let is_source = rest.contains(':') || rest.trim_start().starts_with("/dev/");
    (is_name && is_source && rest.trim().parse::<Source>().is_ok())
        .then(|| name(before).err())
        .flatten()
}

/// Warns of passwords in an argument list, which every user of the machine can read.
fn warn_of_secrets<'a>(mut given: impl Iterator<Item = &'a Given<SecretAddress>>, variable: &str) {
    if let Some(given) = given.find(|given| !given.is_variable && given.value.has_secrets()) {
        log::warn!(
            "{}: the argument list shows its password to every user; set {variable} instead",
            given.place
        );
    }
}

/// A sensor of this machine was off and finds its exposure in its first pictures; other cameras
/// were on all along.
fn default_warm_up(source: &Source) -> WarmUp {
    if source.has_cold_sensor() {
        WarmUp::Time(WARM_UP_DEFAULT)
    } else {
        WarmUp::Frames(0)
    }
}

/// Reads the cameras of `arguments` and then of `options`, and gives a name to those without one:
/// `camera`, then `camera2` and so on. Without any, there is the emulated camera.
pub(super) fn read(
    program: &Path,
    arguments: Vec<Given<SecretAddress>>,
    options: Vec<Given<SecretAddress>>,
    frame_bytes_max: usize,
    warm_up: Option<WarmUp>,
) -> Result<Vec<CameraSettings>, OptionsError> {
    warn_of_secrets(arguments.iter().chain(&options), "FRAMECAST_CAMERA");
    // A command line overrides its environment.
    let has_arguments = !arguments.is_empty();
    let options = options
        .into_iter()
        .filter(|given| !(has_arguments && given.is_variable));
    let camera = |name: String, source: Source| {
        let warm_up = warm_up.unwrap_or_else(|| default_warm_up(&source));
        let driver = programs::driver(program, &name, &source, frame_bytes_max);
        CameraSettings {
            name,
            driver,
            frame_bytes_max,
            warm_up,
        }
    };
    let mut cameras: Vec<CameraSettings> = Vec::new();
    for (index, given) in arguments.into_iter().chain(options).enumerate() {
        let (name, text) = split(&given)?;
        let name = name.unwrap_or_else(|| match index {
            0 => "camera".to_owned(),
            _ => format!("camera{}", index + 1),
        });
        let source: Source =
            text.parse()
                .map_err(|error| match fault_of_name(given.value.expose()) {
                    Some(fault) => OptionsError::Name {
                        place: given.place.clone(),
                        fault,
                    },
                    None => OptionsError::Source {
                        place: given.place.clone(),
                        error,
                    },
                })?;
        if cameras.iter().any(|camera| camera.name == name) {
            return Err(OptionsError::CameraTwice {
                place: given.place,
                name,
            });
        }
        cameras.push(camera(name, source));
    }
    if cameras
        .iter()
        .filter(|camera| camera.driver.stdin == StdinFrom::Server)
        .count()
        > 1
    {
        return Err(OptionsError::StdinTwice);
    }
    if cameras.is_empty() {
        cameras.push(camera("camera".to_owned(), Source::default()));
    }
    Ok(cameras)
}

/// Reads where which camera is to be published.
pub(super) fn read_publishers(
    program: &Path,
    given: Vec<Given<SecretAddress>>,
    cameras: &[CameraSettings],
) -> Result<Vec<PublisherSettings>, OptionsError> {
    warn_of_secrets(given.iter(), "FRAMECAST_PUBLISH");
    let read = |given: Given<SecretAddress>| {
        let (name, target) = split(&given)?;
        let camera = match name {
            None => 0,
            Some(name) => {
                let camera = cameras.iter().position(|camera| camera.name == name);
                let known = || {
                    cameras
                        .iter()
                        .map(|camera| camera.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                camera.ok_or_else(|| OptionsError::NoCamera {
                    place: given.place.clone(),
                    name,
                    known: known(),
                })?
            }
        };
        let target: Result<Target, _> = target.parse();
        let target = target.map_err(|error| OptionsError::Target {
            place: given.place.clone(),
            error,
        })?;
        let process = programs::publisher(program, &target, cameras[camera].frame_bytes_max);
        Ok(PublisherSettings { camera, process })
    };
    given.into_iter().map(read).collect()
}

/// Checks whether the sources of `cameras` can be expected to give frames. One that is not there
/// yet, such as a disk that is mounted late or a camera that is plugged in later, is only warned
/// of: its driver retries.
///
/// # Errors
/// A source can never give frames.
pub fn check_sources(cameras: &[CameraSettings]) -> Result<(), SourceError> {
    for CameraSettings { name, driver, .. } in cameras {
        match driver
            .shown_as
            .expose()
            .parse::<Source>()
            .and_then(|source| source.check())
        {
            Ok(()) => {}
            Err(error) if error.is_final() => return Err(error),
            Err(error) => log::warn!("camera {name}: {error}; offline until then"),
        }
    }
    Ok(())
}

//! The cameras and publishers: `NAME=SOURCE` and `CAMERA=URL`.

use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::given::{Each, Given, List, One, unwrapped};
use super::values::{offline, secret, switch, time};
use super::{OptionsError, programs};
use crate::drivers::{Source, SourceError};
use crate::publish::Target;
use crate::server::{CameraSettings, Offline, PublisherSettings, StdinFrom, WarmUp};
use crate::text::escaped::to_nfc;
use crate::text::secret::SecretAddress;

/// The longest camera name, in characters. As UTF-8 it must fit into a file name (255 bytes).
const NAME_CHARACTERS_MAX: usize = 60;

/// Automatic exposure and white balance need some frames to settle after a sensor has started.
const WARM_UP_DEFAULT: Duration = Duration::from_millis(500);

/// Characters that no camera name may contain: they separate the name from its source or the parts
/// of a signed token, or would have to be escaped in a header or a page.
const FORBIDDEN: [char; 9] = ['=', ':', '/', '?', '~', '\\', '"', '<', '>'];

/// The options of `framecast serve` for its cameras.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cameras")]
pub(super) struct Cameras {
    /// Camera to serve; may be given several times [default: an emulated camera]
    ///
    /// SOURCE is /dev/video0, rpicam:, http://HOST/PATH, https://HOST/PATH, redis://HOST/CHANNEL,
    /// exec:COMMAND, - (standard input), stills:DIR or pattern:1280x720?fps=30; "framecast help
    /// cameras" explains them. NAME has at most 60 characters. The variable takes one camera a
    /// line; prefer it for sources with a password, since every user of this machine can read the
    /// argument list.
    #[arg(long, short, value_name = "[NAME=]SOURCE", env = "FRAMECAST_CAMERA")]
    #[arg(hide_env_values = true, value_parser = Each(secret, None))]
    pub(super) camera: Vec<List<SecretAddress>>,

    /// Run the cameras all the time, not only while they have viewers
    #[arg(long, env = "FRAMECAST_ALWAYS_ON", value_name = "BOOL", value_parser = One(switch), action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false)]
    #[arg(hide_default_value = true)]
    pub(super) always_on: bool,

    /// Time after its last viewer or snapshot at which a camera is stopped
    #[arg(long, value_name = "TIME", env = "FRAMECAST_CAMERA_LINGER")]
    #[arg(value_parser = One(time), default_value = "10s")]
    pub(super) camera_linger: Duration,

    /// Picture that viewers of an offline camera see: draw, last or a JPEG file
    ///
    /// draw is a picture that names the camera and the reason; last is the camera's last frame;
    /// FILE is one whole JPEG of at most 8 MiB.
    #[arg(
        long,
        value_name = "draw|last|FILE",
        env = "FRAMECAST_OFFLINE",
        default_value = "draw"
    )]
    #[arg(value_parser = One(offline))]
    pub(super) offline: Offline,

    /// Publish a camera in Redis, the first one if CAMERA= is missing; may be given several times
    ///
    /// URL is redis://HOST/CHANNEL (each subscriber gets each frame) or redis+list://HOST/KEY?max=N
    /// (each worker takes frames from a list of at most N). A published camera runs all the time.
    /// The variable takes one URL a line; prefer it for URLs with a password.
    #[arg(long, value_name = "[CAMERA=]URL", env = "FRAMECAST_PUBLISH")]
    #[arg(hide_env_values = true, value_parser = Each(secret, None))]
    pub(super) publish: Vec<List<SecretAddress>>,
}

/// Parses a camera's name: letters of any script, digits, spaces and most punctuation.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_invisible = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.is_empty() {
        return Err("no camera name before '='; write NAME=SOURCE, or SOURCE alone".into());
    }
    if text.chars().count() > NAME_CHARACTERS_MAX {
        return Err(format!(
            "camera name too long; it can have at most {NAME_CHARACTERS_MAX} characters"
        ));
    }
    if text.starts_with('#') {
        return Err(format!(
            "invalid camera name '{text}': '#' begins a comment; remove it"
        ));
    }
    if text.starts_with("- ") {
        return Err(format!(
            "invalid camera name '{text}': it begins with a dash and a space; remove them"
        ));
    }
    if text.contains(is_invisible) {
        return Err(format!(
            "invalid camera name {text:?}: it contains control characters; remove them"
        ));
    }
    match text.chars().find(|character| FORBIDDEN.contains(character)) {
        // Keyboards and file systems write some letters in several ways, such as u and diaeresis.
        None => Ok(to_nfc(text).into_owned()),
        Some(wrong) => Err(format!(
            "invalid camera name '{text}': it contains {wrong:?}; use letters, digits, spaces and \
             punctuation other than {}",
            FORBIDDEN.map(String::from).join(" ")
        )),
    }
}

/// Splits at the first `=` into a name and the rest. There is no name if the text before `=`
/// contains `:`, `/` or `?`, as in `stills:DIR?fps=1`.
fn split(given: &Given<SecretAddress>) -> Result<(Option<String>, &str), OptionsError> {
    // Some programs leave the quotes of a shell in a variable.
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
        Some((before, rest)) => match parse_name(plain(before)) {
            Ok(name) => Ok((Some(name), plain(rest.trim()))),
            Err(problem) => Err(OptionsError::Name {
                place: given.place.clone(),
                problem,
            }),
        },
    }
}

/// Returns the problem with the name, if `text` is an invalid source only because of the name
/// before `=`.
fn name_problem(text: &str) -> Option<String> {
    let (before, rest) = text.rsplit_once('=')?;
    // It is repeated in the error, so it must not be part of an address, which may hold a password.
    let is_name = !before.contains('@') && !before.contains("://");
    let is_source = rest.contains(':') || rest.trim_start().starts_with("/dev/");
    (is_name && is_source && rest.trim().parse::<Source>().is_ok())
        .then(|| parse_name(before).err())
        .flatten()
}

/// Logs a warning for a password in the argument list, which every user of the machine can read.
fn warn_of_secrets<'a>(mut given: impl Iterator<Item = &'a Given<SecretAddress>>, variable: &str) {
    if let Some(given) = given.find(|given| !given.is_variable && given.value.has_secrets()) {
        log::warn!(
            "{}: every user of this machine can read the password in the argument list; set {variable} instead",
            given.place
        );
    }
}

/// A sensor of this machine was off and adjusts its exposure in its first frames. Other cameras run
/// all the time.
fn default_warm_up(source: &Source) -> WarmUp {
    if source.has_cold_sensor() {
        WarmUp::Time(WARM_UP_DEFAULT)
    } else {
        WarmUp::Frames(0)
    }
}

/// Parses the cameras: first the positional `arguments`, then those of `--camera`. Cameras without
/// a name become `camera`, `camera2` and so on, by position. Without any, returns the emulated
/// camera.
pub(super) fn parse(
    program: &Path,
    arguments: Vec<Given<SecretAddress>>,
    options: Vec<Given<SecretAddress>>,
    frame_bytes_max: usize,
    warm_up: Option<WarmUp>,
) -> Result<Vec<CameraSettings>, OptionsError> {
    warn_of_secrets(arguments.iter().chain(&options), "FRAMECAST_CAMERA");
    // The command line overrides the variable.
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
    let given: Vec<_> = arguments.into_iter().chain(options).collect();
    let are_several = given.len() > 1;
    for (index, given) in given.into_iter().enumerate() {
        let (name, text) = split(&given)?;
        // The name or the position, but never the source, which may hold a password.
        let place = match name.as_ref().filter(|name| !name.contains('@')) {
            Some(name) => format!("{}, camera {name}", given.place),
            None if are_several && !given.is_variable => {
                format!("{}, camera {}", given.place, index + 1)
            }
            None => given.place.clone(),
        };
        let name = name.unwrap_or_else(|| match index {
            0 => "camera".to_owned(),
            _ => format!("camera{}", index + 1),
        });
        let source: Source =
            text.parse()
                .map_err(|error| match name_problem(given.value.expose()) {
                    Some(problem) => OptionsError::Name {
                        place: given.place.clone(),
                        problem,
                    },
                    None => OptionsError::Source { place, error },
                })?;
        if cameras.iter().any(|camera| camera.name == name) {
            return Err(OptionsError::DuplicateCamera {
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
        return Err(OptionsError::DuplicateStdin);
    }
    if cameras.is_empty() {
        cameras.push(camera("camera".to_owned(), Source::default()));
    }
    Ok(cameras)
}

/// Parses the publishers, each `CAMERA=URL` or, for the first camera, `URL`.
pub(super) fn parse_publishers(
    program: &Path,
    given: Vec<Given<SecretAddress>>,
    cameras: &[CameraSettings],
) -> Result<Vec<PublisherSettings>, OptionsError> {
    warn_of_secrets(given.iter(), "FRAMECAST_PUBLISH");
    let parse = |given: Given<SecretAddress>| {
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
                camera.ok_or_else(|| OptionsError::UnknownCamera {
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
    given.into_iter().map(parse).collect()
}

/// Checks that the cameras' devices, folders and programs exist. A missing one is only logged as a
/// warning: a disk may be mounted later, a camera plugged in later, and the driver retries.
///
/// # Errors
/// A source can never give frames, whatever happens later.
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

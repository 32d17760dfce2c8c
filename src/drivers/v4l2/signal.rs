//! The input of a device: its selection, the television standard of an analog input, and the
//! timings of a digital one (HDMI, DVI, SDI).

use std::io;

use rustix::io::Errno;

use super::abi::{self, DvTimings, Event, InputDescription, Subscription};
use super::camera::{Camera, StreamingCamera};
use super::controls::control_name;
use super::error::{CameraError, Problem};
use super::kernel;
use crate::drivers::stderr::log_line;

/// The maximum number of inputs or pending events that are read. It ends the loop if a driver
/// returns the same entry for ever.
const LIST_MAX: u32 = 64;

/// The television standards and their bits (`V4L2_STD_...`). `auto` is the detected standard.
const STANDARDS: [(&str, u64); 15] = [
    ("auto", 0),
    ("pal", 0xff),
    ("ntsc", 0xb000),
    ("secam", 0xff_0000),
    ("pal-bg", 0x07),
    ("pal-i", 0x10),
    ("pal-dk", 0xe0),
    ("pal-m", 0x100),
    ("pal-n", 0x200),
    ("pal-nc", 0x400),
    ("pal-60", 0x800),
    ("ntsc-j", 0x2000),
    ("ntsc-443", 0x4000),
    ("secam-dk", 0x32_0000),
    ("secam-l", 0x40_0000),
];

/// A television standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its V4L2 bits; 0 for the detected standard.
    bits: u64,
}

impl Standard {
    /// The valid values, for error messages.
    pub(super) fn expected() -> String {
        STANDARDS.map(|(name, _)| name).join(", ")
    }
}

impl std::str::FromStr for Standard {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.to_ascii_lowercase().replace('_', "-");
        let found = STANDARDS
            .into_iter()
            .find(|(standard, _)| *standard == name);
        found.map(|(name, bits)| Self { name, bits }).ok_or(())
    }
}

impl Camera {
    /// Selects an input by number or name.
    pub(super) fn select_input(&self, wanted: &str) -> Result<(), CameraError> {
        let inputs = self.inputs();
        let is_wanted = |(index, name): &&(u32, String)| {
            index.to_string() == wanted || control_name(name) == control_name(wanted)
        };
        let Some((index, _)) = inputs.iter().find(is_wanted) else {
            return Err(self.error(Problem::NoInput {
                wanted: wanted.to_owned(),
                inputs,
            }));
        };
        let selected = self.device.ioctl(&kernel::S_INPUT, *index as i32);
        selected
            .map(drop)
            .map_err(|error| self.failed("select the input (VIDIOC_S_INPUT)", error))
    }

    fn inputs(&self) -> Vec<(u32, String)> {
        let entry = |index| InputDescription {
            index,
            ..InputDescription::default()
        };
        let inputs = (0..LIST_MAX)
            .map_while(|index| self.device.ioctl(&kernel::ENUMINPUT, entry(index)).ok());
        inputs
            .map(|input| (input.index, abi::text(&input.name)))
            .collect()
    }

    /// Sets the television standard; logs a warning if that fails.
    pub(super) fn set_standard(&self, standard: Standard) {
        let bits = match standard.bits {
            0 => self.device.ioctl(&kernel::QUERYSTD, 0),
            bits => Ok(bits),
        };
        if let Err(error) = bits.and_then(|bits| self.device.ioctl(&kernel::S_STD, bits)) {
            let device = self.path.display();
            log_line(format_args!(
                "{device}: cannot set standard={}: {error}; only analog inputs have a standard, select one with input=",
                standard.name
            ));
        }
    }

    /// Sets a digital input to the timings of its signal, and subscribes to events about changes of
    /// the signal. Does nothing for other inputs.
    pub(super) fn lock_signal(&mut self) -> Result<(), CameraError> {
        let change = Subscription {
            kind: abi::EVENT_SOURCE_CHANGE,
            ..Subscription::default()
        };
        self.reports_changes = self.device.ioctl(&kernel::SUBSCRIBE_EVENT, change).is_ok();
        let timings = match self
            .device
            .ioctl(&kernel::QUERY_DV_TIMINGS, DvTimings::default())
        {
            Ok(timings) => timings,
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOLINK) => Err(self.error(Problem::NoSignal)),
                    Some(Errno::NOLCK) => Err(self.error(Problem::UnstableSignal)),
                    Some(Errno::RANGE) => Err(self.error(Problem::SignalOutOfRange)),
                    Some(Errno::NODEV | Errno::NXIO | Errno::SHUTDOWN) => {
                        Err(self.error(Problem::Disconnected))
                    }
                    // The selected input is not digital.
                    _ => Ok(()),
                };
            }
        };
        let set = self.device.ioctl(&kernel::S_DV_TIMINGS, timings);
        set.map(drop)
            .map_err(|error| self.failed("set the timings (VIDIOC_S_DV_TIMINGS)", error))
    }
}

impl StreamingCamera {
    /// Whether the resolution of the signal has changed since the last call: the device then gives
    /// no more frames of the old size.
    pub(super) fn has_signal_changed(&self) -> bool {
        if !self.reports_changes {
            return false;
        }
        let event = |_| {
            self.stream
                .device()
                .ioctl(&kernel::DQEVENT, Event::default())
                .ok()
        };
        let events = (0..LIST_MAX).map_while(event);
        events.filter(is_change).count() > 0
    }

    /// Whether the device reports that its input has no signal.
    pub(super) fn has_no_signal(&self) -> bool {
        let status = || -> io::Result<u32> {
            let device = self.stream.device();
            let index = device.ioctl(&kernel::G_INPUT, 0)? as u32;
            Ok(device
                .ioctl(
                    &kernel::ENUMINPUT,
                    InputDescription {
                        index,
                        ..InputDescription::default()
                    },
                )?
                .status)
        };
        status().is_ok_and(|status| status & abi::INPUT_SILENT != 0)
    }
}

fn is_change(event: &Event) -> bool {
    event.kind == abi::EVENT_SOURCE_CHANGE && event.changes & abi::CHANGED_RESOLUTION != 0
}

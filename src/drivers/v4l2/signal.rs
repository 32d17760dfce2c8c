//! What a device captures from: its inputs, the television standard of an analog one, and the
//! timings of a digital one (HDMI, DVI, SDI).

use std::io;

use rustix::io::Errno;

use super::abi::{self, DvTimings, Event, InputAt, Subscription};
use super::camera::{Camera, Recording};
use super::controls::spell;
use super::error::{CameraError, Problem, say};
use super::kernel;

/// No device has as many inputs, nor as many events at once.
const LIST_MAX: u32 = 64;

/// `V4L2_STD_...`: a bit for each variant of a standard. `auto` is the one that the device detects.
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
    /// V4L2's bits for it; none for the one that is detected.
    bits: u64,
}

impl Standard {
    /// How it is to be written.
    pub(super) fn rule() -> String {
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
    /// Selects the input with this number or name.
    pub(super) fn select_input(&self, wanted: &str) -> Result<(), CameraError> {
        let inputs = self.inputs();
        let is_wanted = |(index, name): &&(u32, String)| {
            index.to_string() == wanted || spell(name) == spell(wanted)
        };
        let Some((index, _)) = inputs.iter().find(is_wanted) else {
            return Err(self.error(Problem::NoInput {
                wanted: wanted.to_owned(),
                inputs,
            }));
        };
        let selected = self.device.ask(&kernel::SET_INPUT, *index as i32);
        selected
            .map(drop)
            .map_err(|error| self.cannot("select its input (VIDIOC_S_INPUT)", error))
    }

    fn inputs(&self) -> Vec<(u32, String)> {
        let entry = |index| InputAt {
            index,
            ..InputAt::default()
        };
        let inputs = (0..LIST_MAX).map_while(|index| {
            self.device
                .ask(&kernel::ENUMERATE_INPUTS, entry(index))
                .ok()
        });
        inputs
            .map(|input| (input.index, abi::text(&input.name)))
            .collect()
    }

    /// Sets the television standard; logs a warning if the device does not take it.
    pub(super) fn set_standard(&self, standard: Standard) {
        let bits = match standard.bits {
            0 => self.device.ask(&kernel::QUERY_STANDARD, 0),
            bits => Ok(bits),
        };
        if let Err(error) = bits.and_then(|bits| self.device.ask(&kernel::SET_STANDARD, bits)) {
            let device = self.path.display();
            say(format_args!(
                "{device} does not take standard={}: {error}; it keeps its own (analog inputs alone have one: input=)",
                standard.name
            ));
        }
    }

    /// Sets a digital input to the timings of its signal, and has the device report when the signal
    /// changes. Other inputs are left as they are.
    pub(super) fn lock_signal(&mut self) -> Result<(), CameraError> {
        let change = Subscription {
            kind: abi::EVENT_SOURCE_CHANGE,
            ..Subscription::default()
        };
        self.reports_changes = self.device.ask(&kernel::SUBSCRIBE_EVENT, change).is_ok();
        let timings = match self
            .device
            .ask(&kernel::QUERY_TIMINGS, DvTimings::default())
        {
            Ok(timings) => timings,
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOLINK) => Err(self.error(Problem::NoSignal)),
                    Some(Errno::NOLCK) => Err(self.error(Problem::UnstableSignal)),
                    Some(Errno::RANGE) => Err(self.error(Problem::SignalOutOfRange)),
                    Some(Errno::NODEV | Errno::NXIO | Errno::SHUTDOWN) => {
                        Err(self.error(Problem::Unplugged))
                    }
                    // It has no digital input, or another input is selected.
                    _ => Ok(()),
                };
            }
        };
        let set = self.device.ask(&kernel::SET_TIMINGS, timings);
        set.map(drop)
            .map_err(|error| self.cannot("follow its signal (VIDIOC_S_DV_TIMINGS)", error))
    }
}

impl Recording {
    /// Whether the signal has changed its size since the last call: pictures of the old size are no
    /// longer given.
    pub(super) fn has_other_signal(&self) -> bool {
        if !self.reports_changes {
            return false;
        }
        let event = |_| {
            self.stream
                .device()
                .ask(&kernel::DEQUEUE_EVENT, Event::default())
                .ok()
        };
        let events = (0..LIST_MAX).map_while(event);
        events.filter(is_change).count() > 0
    }

    /// Whether the device says that its input has no signal.
    pub(super) fn has_no_signal(&self) -> bool {
        let status = || -> io::Result<u32> {
            let device = self.stream.device();
            let index = device.ask(&kernel::GET_INPUT, 0)? as u32;
            Ok(device
                .ask(
                    &kernel::ENUMERATE_INPUTS,
                    InputAt {
                        index,
                        ..InputAt::default()
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

//! The one file with `unsafe` in it: requests to a V4L2 device, and the buffers it shares with us.
//! Above it everything is ordinary Rust.
//!
//! What makes it sound, in one place: a [`Request`] can only be made here, from the structure that
//! `videodev2.h` has with it, whose size is part of the request's code; and a buffer's bytes can
//! only be read through a [`Frame`], which holds the buffer back from the device for as long as it
//! lives.
#![allow(
    unsafe_code,
    reason = "the kernel fills structures and maps buffers, and no crate does it as we need it"
)]

use std::ffi::{c_int, c_long, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::slice;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, opcode};

use super::abi::{
    self, Buffer, Capability, Control, ControlAt, DvTimings, Event, Format, FormatAt, FormatMulti,
    InputAt, IntervalAt, MEMORY_MMAP, Plane, RequestBuffers, SizeAt, StreamParameters,
    Subscription,
};

/// How many buffers the device may fill ahead of us.
const BUFFERS: u32 = 4;

/// A request with the structure that it reads and fills.
pub(super) struct Request<T> {
    code: Opcode,
    argument: PhantomData<fn(T) -> T>,
}

impl<T> Request<T> {
    const fn new(code: Opcode) -> Self {
        Self {
            code,
            argument: PhantomData,
        }
    }

    const fn read(number: u8) -> Self {
        Self::new(opcode::read::<T>(b'V', number))
    }

    const fn write(number: u8) -> Self {
        Self::new(opcode::write::<T>(b'V', number))
    }

    const fn read_write(number: u8) -> Self {
        Self::new(opcode::read_write::<T>(b'V', number))
    }
}

pub(super) const QUERY_CAPABILITY: Request<Capability> = Request::read(0);
pub(super) const ENUMERATE_FORMATS: Request<FormatAt> = Request::read_write(2);
pub(super) const GET_FORMAT: Request<Format> = Request::read_write(4);
pub(super) const SET_FORMAT: Request<Format> = Request::read_write(5);
pub(super) const GET_FORMAT_MULTI: Request<FormatMulti> = Request::read_write(4);
pub(super) const SET_FORMAT_MULTI: Request<FormatMulti> = Request::read_write(5);
pub(super) const SET_PARAMETERS: Request<StreamParameters> = Request::read_write(22);
pub(super) const SET_STANDARD: Request<u64> = Request::write(24);
pub(super) const ENUMERATE_INPUTS: Request<InputAt> = Request::read_write(26);
pub(super) const SET_CONTROL: Request<Control> = Request::read_write(28);
pub(super) const QUERY_CONTROL: Request<ControlAt> = Request::read_write(36);
pub(super) const GET_INPUT: Request<c_int> = Request::read(38);
pub(super) const SET_INPUT: Request<c_int> = Request::read_write(39);
pub(super) const QUERY_STANDARD: Request<u64> = Request::read(63);
pub(super) const ENUMERATE_SIZES: Request<SizeAt> = Request::read_write(74);
pub(super) const ENUMERATE_INTERVALS: Request<IntervalAt> = Request::read_write(75);
pub(super) const SET_TIMINGS: Request<DvTimings> = Request::read_write(87);
pub(super) const DEQUEUE_EVENT: Request<Event> = Request::read(89);
pub(super) const SUBSCRIBE_EVENT: Request<Subscription> = Request::write(90);
pub(super) const QUERY_TIMINGS: Request<DvTimings> = Request::read(99);

const REQUEST_BUFFERS: Request<RequestBuffers> = Request::read_write(8);
const QUERY_BUFFER: Request<Buffer> = Request::read_write(9);
const ENQUEUE: Request<Buffer> = Request::read_write(15);
const DEQUEUE: Request<Buffer> = Request::read_write(17);
const START: Request<c_int> = Request::write(18);
const STOP: Request<c_int> = Request::write(19);

/// An open device.
#[derive(Debug)]
pub(super) struct Device(File);

impl Device {
    /// Opens a device so that no request waits for a picture. What was opened need not be a V4L2
    /// device.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map(Self)
    }

    /// Puts a request to the device and gives back what it has made of `argument`.
    pub(super) fn ask<T>(&self, request: &Request<T>, mut argument: T) -> io::Result<T> {
        loop {
            // SAFETY: the code is that of a V4L2 request and holds the size of T, so the kernel
            // reads and writes no byte outside of `argument`. Each T is `repr(C)` and made of
            // integers, to which no bytes are invalid. The kernel follows no pointer but the one in
            // a `Buffer` of several planes, requests for which are known to this file alone: see
            // `ask_buffer`.
            let done = unsafe {
                libc::ioctl(
                    self.0.as_raw_fd(),
                    request.code as libc::Ioctl,
                    &raw mut argument,
                )
            };
            if done >= 0 {
                return Ok(argument);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Puts a request about the buffer `index`.
    fn ask_buffer(
        &self,
        request: &Request<Buffer>,
        planes: Planes,
        index: u32,
    ) -> io::Result<Filled> {
        let mut plane = Plane::default();
        let mut buffer = Buffer {
            index,
            kind: planes.buffer_type(),
            memory: MEMORY_MMAP,
            ..Buffer::default()
        };
        if planes == Planes::Multi {
            // Where one plane is, which the kernel reads and fills before the request returns;
            // formats with more of them are not used.
            (buffer.place, buffer.length) = ((&raw mut plane).expose_provenance(), 1);
        }
        let Buffer {
            index,
            flags,
            timestamp,
            bytes_used,
            length,
            place,
            ..
        } = self.ask(request, buffer)?;
        if planes == Planes::Single {
            plane = Plane {
                bytes_used,
                length,
                place,
                ..plane
            };
        }
        Ok(Filled {
            index,
            flags,
            timestamp,
            plane,
        })
    }

    fn enqueue(&self, planes: Planes, index: u32) -> io::Result<()> {
        self.ask_buffer(&ENQUEUE, planes, index).map(drop)
    }
}

/// Which of V4L2's two interfaces a device has: for pictures in one plane, or in one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planes {
    Single,
    Multi,
}

impl Planes {
    /// The type of the buffers of this interface (`enum v4l2_buf_type`).
    pub(super) fn buffer_type(self) -> u32 {
        match self {
            Self::Single => abi::VIDEO_CAPTURE,
            Self::Multi => abi::VIDEO_CAPTURE_MULTI,
        }
    }
}

/// A buffer as the device describes it, whichever interface it has.
#[derive(Debug)]
pub(super) struct Filled {
    index: u32,
    pub(super) flags: u32,
    /// Seconds and microseconds.
    pub(super) timestamp: [c_long; 2],
    plane: Plane,
}

/// A step on the way to a [`Stream`] that failed.
pub(super) struct StartError {
    /// The step, as what the device cannot do.
    pub(super) task: &'static str,
    /// What the system reported.
    pub(super) error: io::Error,
}

/// Names the step that an error belongs to.
fn step(task: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError { task, error }
}

/// A device that captures pictures into buffers it shares with us.
#[derive(Debug)]
pub(super) struct Stream {
    mappings: Vec<Mapping>,
    planes: Planes,
    device: Device,
}

impl Stream {
    /// Shares buffers with the device, hands all of them to it and lets it begin.
    pub(super) fn start(device: Device, planes: Planes) -> Result<Self, StartError> {
        let kind = planes.buffer_type();
        let wanted = RequestBuffers {
            count: BUFFERS,
            kind,
            memory: MEMORY_MMAP,
            ..RequestBuffers::default()
        };
        let requested = device
            .ask(&REQUEST_BUFFERS, wanted)
            .map_err(step("allocate buffers (VIDIOC_REQBUFS)"))?;
        if requested.count == 0 {
            return Err(step("allocate buffers (VIDIOC_REQBUFS)")(
                Errno::NOMEM.into(),
            ));
        }
        let mapping = |index| {
            let queried = device.ask_buffer(&QUERY_BUFFER, planes, index);
            let buffer = queried.map_err(step("describe its buffers (VIDIOC_QUERYBUF)"))?;
            Mapping::new(&device, &buffer).map_err(step("share its buffers (mmap)"))
        };
        let mappings = (0..requested.count)
            .map(mapping)
            .collect::<Result<_, _>>()?;
        let enqueued = (0..requested.count).try_for_each(|index| device.enqueue(planes, index));
        enqueued.map_err(step("queue its buffers (VIDIOC_QBUF)"))?;
        device
            .ask(&START, kind as c_int)
            .map_err(step("start streaming (VIDIOC_STREAMON)"))?;
        Ok(Self {
            mappings,
            planes,
            device,
        })
    }

    /// The next picture, or the `newest` there is; `None` if there is none yet.
    pub(super) fn next(&mut self, newest: bool) -> io::Result<Option<Frame<'_>>> {
        let Some(mut buffer) = self.dequeue()? else {
            return Ok(None);
        };
        while newest && let Ok(Some(newer)) = self.dequeue() {
            self.device.enqueue(self.planes, buffer.index)?;
            buffer = newer;
        }
        let mapping = self
            .mappings
            .get(buffer.index as usize)
            .ok_or(io::ErrorKind::InvalidData)?;
        let end = mapping.length.min(buffer.plane.bytes_used as usize);
        let start = end.min(buffer.plane.data_offset as usize);
        // SAFETY: the mapping lives as long as this stream, from which the frame borrows, and no
        // more of it than there is gets into the slice. The device has given the buffer back, and
        // it gets it again only when the frame is dropped: `enqueue` is called nowhere else for a
        // buffer that was given out.
        let bytes =
            unsafe { slice::from_raw_parts(mapping.start.cast::<u8>().add(start), end - start) };
        Ok(Some(Frame {
            bytes,
            buffer,
            stream: self,
        }))
    }

    /// The device, for requests that can be made while it captures.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    fn dequeue(&self) -> io::Result<Option<Filled>> {
        match self.device.ask_buffer(&DEQUEUE, self.planes, 0) {
            Ok(buffer) => Ok(Some(buffer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.0.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Closing the device, which follows, does the same where this fails.
        let _ = self.device.ask(&STOP, self.planes.buffer_type() as c_int);
    }
}

/// A picture in the device's buffer, which goes back to the device when this is dropped.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// What the device has written.
    pub(super) bytes: &'a [u8],
    /// How it describes that.
    pub(super) buffer: Filled,
    stream: &'a Stream,
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // A device that does not take its buffer back is gone, and says so when the next picture is
        // asked for.
        let _ = self
            .stream
            .device
            .enqueue(self.stream.planes, self.buffer.index);
    }
}

/// A buffer of the device in our memory.
#[derive(Debug)]
struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    fn new(device: &Device, buffer: &Filled) -> io::Result<Self> {
        let length = buffer.plane.length as usize;
        let offset = abi::offset(buffer.plane.place) as libc::off_t;
        let file = device.0.as_raw_fd();
        // SAFETY: the kernel chooses a place where nothing is yet.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file,
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { start, length })
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is what `new` has mapped, and whoever reads it borrows from the stream that
        // owns it.
        let _ = unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// The codes hold the sizes of the structures: these are what a C compiler makes of
    /// `linux/videodev2.h`.
    #[test]
    fn requests_have_the_codes_of_the_kernel() {
        let codes = [
            (QUERY_CAPABILITY.code, 0x8068_5600),
            (ENUMERATE_FORMATS.code, 0xc040_5602),
            (GET_FORMAT.code, 0xc0d0_5604),
            (SET_FORMAT.code, 0xc0d0_5605),
            (REQUEST_BUFFERS.code, 0xc014_5608),
            (QUERY_BUFFER.code, 0xc058_5609),
            (ENQUEUE.code, 0xc058_560f),
            (DEQUEUE.code, 0xc058_5611),
            (START.code, 0x4004_5612),
            (STOP.code, 0x4004_5613),
            (GET_FORMAT_MULTI.code, 0xc0d0_5604),
            (SET_FORMAT_MULTI.code, 0xc0d0_5605),
            (SET_PARAMETERS.code, 0xc0cc_5616),
            (SET_STANDARD.code, 0x4008_5618),
            (ENUMERATE_INPUTS.code, 0xc050_561a),
            (GET_INPUT.code, 0x8004_5626),
            (SET_INPUT.code, 0xc004_5627),
            (QUERY_STANDARD.code, 0x8008_563f),
            (SET_TIMINGS.code, 0xc084_5657),
            (DEQUEUE_EVENT.code, 0x8088_5659),
            (SUBSCRIBE_EVENT.code, 0x4020_565a),
            (QUERY_TIMINGS.code, 0x8084_5663),
            (SET_CONTROL.code, 0xc008_561c),
            (QUERY_CONTROL.code, 0xc044_5624),
            (ENUMERATE_SIZES.code, 0xc02c_564a),
            (ENUMERATE_INTERVALS.code, 0xc034_564b),
        ];
        for (ours, kernels) in codes {
            assert_eq!(ours, kernels, "{ours:#x} is not {kernels:#x}");
        }
    }

    #[test]
    fn fields_behind_padding_are_where_the_kernel_has_them() {
        use std::mem::offset_of;
        assert_eq!(offset_of!(Format, picture), 8);
        assert_eq!(offset_of!(Buffer, timestamp), 24);
        assert_eq!(offset_of!(Buffer, place), 64);
        assert_eq!(offset_of!(FormatMulti, planes), 8 + 20);
        assert_eq!(offset_of!(FormatMulti, planes_used), 8 + 180);
        assert_eq!(offset_of!(Plane, data_offset), 16);
        assert_eq!(size_of::<Plane>(), 64);
        assert_eq!(offset_of!(InputAt, status), 56);
        assert_eq!(offset_of!(Event, changes), 8);
        assert_eq!(offset_of!(Event, pending), 72);
        assert_eq!(offset_of!(Buffer, length), 72);
        assert_eq!(offset_of!(StreamParameters, interval), 12);
        assert_eq!(offset_of!(ControlAt, flags), 56);
    }
}

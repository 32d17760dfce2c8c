//! The only file with `unsafe`: ioctl(2) requests to a V4L2 device, and the buffers that it shares
//! with this process.
//!
//! Why it is sound: a [`Request`] is only made in this file, with the structure of `videodev2.h`
//! for it, whose size is part of the request's code. The bytes of a buffer are only read through a
//! [`Frame`], and the device gets the buffer back when the frame is dropped.
#![allow(
    unsafe_code,
    reason = "the kernel fills structures and maps buffers, and no crate fits: see `v4l2`"
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
    self, Buffer, Capability, Control, DvTimings, Event, Format, FormatDescription, FormatMplane,
    FrameInterval, FrameSize, InputDescription, MEMORY_MMAP, Plane, QueryControl, RequestBuffers,
    StreamParameters, Subscription,
};

/// The number of buffers shared with the device.
const BUFFERS: u32 = 4;

/// The code of an ioctl(2) request, with the type of its argument.
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

pub(super) const QUERYCAP: Request<Capability> = Request::read(0);
pub(super) const ENUM_FMT: Request<FormatDescription> = Request::read_write(2);
pub(super) const G_FMT: Request<Format> = Request::read_write(4);
pub(super) const S_FMT: Request<Format> = Request::read_write(5);
pub(super) const G_FMT_MPLANE: Request<FormatMplane> = Request::read_write(4);
pub(super) const S_FMT_MPLANE: Request<FormatMplane> = Request::read_write(5);
pub(super) const S_PARM: Request<StreamParameters> = Request::read_write(22);
pub(super) const S_STD: Request<u64> = Request::write(24);
pub(super) const ENUMINPUT: Request<InputDescription> = Request::read_write(26);
pub(super) const S_CTRL: Request<Control> = Request::read_write(28);
pub(super) const QUERYCTRL: Request<QueryControl> = Request::read_write(36);
pub(super) const G_INPUT: Request<c_int> = Request::read(38);
pub(super) const S_INPUT: Request<c_int> = Request::read_write(39);
pub(super) const QUERYSTD: Request<u64> = Request::read(63);
pub(super) const ENUM_FRAMESIZES: Request<FrameSize> = Request::read_write(74);
pub(super) const ENUM_FRAMEINTERVALS: Request<FrameInterval> = Request::read_write(75);
pub(super) const S_DV_TIMINGS: Request<DvTimings> = Request::read_write(87);
pub(super) const DQEVENT: Request<Event> = Request::read(89);
pub(super) const SUBSCRIBE_EVENT: Request<Subscription> = Request::write(90);
pub(super) const QUERY_DV_TIMINGS: Request<DvTimings> = Request::read(99);

const REQBUFS: Request<RequestBuffers> = Request::read_write(8);
const QUERYBUF: Request<Buffer> = Request::read_write(9);
const QBUF: Request<Buffer> = Request::read_write(15);
const DQBUF: Request<Buffer> = Request::read_write(17);
const STREAMON: Request<c_int> = Request::write(18);
const STREAMOFF: Request<c_int> = Request::write(19);

/// An open device.
#[derive(Debug)]
pub(super) struct Device(File);

impl Device {
    /// Opens a file in non-blocking mode: no request waits for a frame. The file may be anything, a
    /// V4L2 device or not.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map(Self)
    }

    /// Makes a request; returns `argument` as the kernel has filled it. Retries after EINTR.
    pub(super) fn ioctl<T>(&self, request: &Request<T>, mut argument: T) -> io::Result<T> {
        loop {
            // SAFETY: the code is that of a V4L2 request and contains the size of T, so the kernel
            // reads and writes no byte outside of `argument`. Each T is `repr(C)` and consists of
            // integers, for which every bit pattern is valid. The kernel follows no pointer except
            // the one in a multi-planar `Buffer`; requests for buffers are private to this file:
            // see `buffer_ioctl`.
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

    /// Makes a request about the buffer `index`.
    fn buffer_ioctl(
        &self,
        request: &Request<Buffer>,
        planes: Planes,
        index: u32,
    ) -> io::Result<BufferInfo> {
        let mut plane = Plane::default();
        let mut buffer = Buffer {
            index,
            kind: planes.buffer_type(),
            memory: MEMORY_MMAP,
            ..Buffer::default()
        };
        if planes == Planes::Multiple {
            // The address of one plane, which outlives the request. Formats with more planes are
            // not used.
            (buffer.m, buffer.length) = ((&raw mut plane).expose_provenance(), 1);
        }
        let Buffer {
            index,
            flags,
            timestamp,
            bytes_used,
            length,
            m,
            ..
        } = self.ioctl(request, buffer)?;
        if planes == Planes::Single {
            plane = Plane {
                bytes_used,
                length,
                m,
                ..plane
            };
        }
        Ok(BufferInfo {
            index,
            flags,
            timestamp,
            plane,
        })
    }

    fn enqueue(&self, planes: Planes, index: u32) -> io::Result<()> {
        self.buffer_ioctl(&QBUF, planes, index).map(drop)
    }
}

/// The API of a device: single-planar or multi-planar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planes {
    Single,
    Multiple,
}

impl Planes {
    /// The buffer type of this API (`enum v4l2_buf_type`).
    pub(super) fn buffer_type(self) -> u32 {
        match self {
            Self::Single => abi::VIDEO_CAPTURE,
            Self::Multiple => abi::VIDEO_CAPTURE_MPLANE,
        }
    }
}

/// The description of a buffer, from either API.
#[derive(Debug)]
pub(super) struct BufferInfo {
    index: u32,
    pub(super) flags: u32,
    /// Seconds and microseconds.
    pub(super) timestamp: [c_long; 2],
    plane: Plane,
}

/// Why streaming could not be started.
pub(super) struct StartError {
    /// What failed.
    pub(super) task: &'static str,
    /// The error of the system call.
    pub(super) error: io::Error,
}

/// Returns a function that adds the failed `task` to an error.
fn step(task: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError { task, error }
}

/// A device that captures into buffers shared with this process.
#[derive(Debug)]
pub(super) struct Stream {
    mappings: Vec<Mapping>,
    planes: Planes,
    device: Device,
}

impl Stream {
    /// Allocates and maps buffers, queues all of them and starts streaming.
    pub(super) fn start(device: Device, planes: Planes) -> Result<Self, StartError> {
        let kind = planes.buffer_type();
        let wanted = RequestBuffers {
            count: BUFFERS,
            kind,
            memory: MEMORY_MMAP,
            ..RequestBuffers::default()
        };
        let requested = device
            .ioctl(&REQBUFS, wanted)
            .map_err(step("allocate buffers (VIDIOC_REQBUFS)"))?;
        if requested.count == 0 {
            return Err(step("allocate buffers (VIDIOC_REQBUFS)")(
                Errno::NOMEM.into(),
            ));
        }
        let mapping = |index| {
            let queried = device.buffer_ioctl(&QUERYBUF, planes, index);
            let buffer = queried.map_err(step("query its buffers (VIDIOC_QUERYBUF)"))?;
            Mapping::new(&device, &buffer).map_err(step("map its buffers (mmap)"))
        };
        let mappings = (0..requested.count)
            .map(mapping)
            .collect::<Result<_, _>>()?;
        let enqueued = (0..requested.count).try_for_each(|index| device.enqueue(planes, index));
        enqueued.map_err(step("queue its buffers (VIDIOC_QBUF)"))?;
        device
            .ioctl(&STREAMON, kind as c_int)
            .map_err(step("start streaming (VIDIOC_STREAMON)"))?;
        Ok(Self {
            mappings,
            planes,
            device,
        })
    }

    /// Dequeues the next frame, or the `newest` one; `None` if none is ready.
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
        // SAFETY: the mapping lives as long as this stream, from which the frame borrows, and the
        // slice ends within the mapping. The buffer is dequeued, so the device does not write to
        // it. It is queued again only when the frame is dropped: no other call of `enqueue` is for
        // the buffer of a frame.
        let bytes =
            unsafe { slice::from_raw_parts(mapping.start.cast::<u8>().add(start), end - start) };
        Ok(Some(Frame {
            bytes,
            buffer,
            stream: self,
        }))
    }

    /// The device, for requests that are allowed while streaming.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    fn dequeue(&self) -> io::Result<Option<BufferInfo>> {
        match self.device.buffer_ioctl(&DQBUF, self.planes, 0) {
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
        // If this fails, closing the device, which follows, stops streaming.
        let _ = self
            .device
            .ioctl(&STREAMOFF, self.planes.buffer_type() as c_int);
    }
}

/// A frame in a buffer of the device. The buffer is queued again when this is dropped.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The bytes that the device has written.
    pub(super) bytes: &'a [u8],
    /// Their description.
    pub(super) buffer: BufferInfo,
    stream: &'a Stream,
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // An error here means that the device is gone: the next DQBUF reports it.
        let _ = self
            .stream
            .device
            .enqueue(self.stream.planes, self.buffer.index);
    }
}

/// A buffer of the device, mapped into this process.
#[derive(Debug)]
struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    fn new(device: &Device, buffer: &BufferInfo) -> io::Result<Self> {
        let length = buffer.plane.length as usize;
        let offset = abi::offset(buffer.plane.m) as libc::off_t;
        let file = device.0.as_raw_fd();
        // SAFETY: with a null address, the kernel chooses an unused address range.
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
        // SAFETY: `new` has mapped this range, and every reader borrows from the stream that owns
        // this mapping.
        let _ = unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// A code contains the size of the structure. The expected values are from a C compiler and
    /// `linux/videodev2.h`.
    #[test]
    fn request_codes_equal_those_of_the_kernel() {
        let codes = [
            (QUERYCAP.code, 0x8068_5600),
            (ENUM_FMT.code, 0xc040_5602),
            (G_FMT.code, 0xc0d0_5604),
            (S_FMT.code, 0xc0d0_5605),
            (REQBUFS.code, 0xc014_5608),
            (QUERYBUF.code, 0xc058_5609),
            (QBUF.code, 0xc058_560f),
            (DQBUF.code, 0xc058_5611),
            (STREAMON.code, 0x4004_5612),
            (STREAMOFF.code, 0x4004_5613),
            (G_FMT_MPLANE.code, 0xc0d0_5604),
            (S_FMT_MPLANE.code, 0xc0d0_5605),
            (S_PARM.code, 0xc0cc_5616),
            (S_STD.code, 0x4008_5618),
            (ENUMINPUT.code, 0xc050_561a),
            (G_INPUT.code, 0x8004_5626),
            (S_INPUT.code, 0xc004_5627),
            (QUERYSTD.code, 0x8008_563f),
            (S_DV_TIMINGS.code, 0xc084_5657),
            (DQEVENT.code, 0x8088_5659),
            (SUBSCRIBE_EVENT.code, 0x4020_565a),
            (QUERY_DV_TIMINGS.code, 0x8084_5663),
            (S_CTRL.code, 0xc008_561c),
            (QUERYCTRL.code, 0xc044_5624),
            (ENUM_FRAMESIZES.code, 0xc02c_564a),
            (ENUM_FRAMEINTERVALS.code, 0xc034_564b),
        ];
        for (ours, kernels) in codes {
            assert_eq!(ours, kernels, "{ours:#x} is not {kernels:#x}");
        }
    }

    #[test]
    fn field_offsets_after_padding_equal_those_of_the_kernel() {
        use std::mem::offset_of;
        assert_eq!(offset_of!(Format, pix), 8);
        assert_eq!(offset_of!(Buffer, timestamp), 24);
        assert_eq!(offset_of!(Buffer, m), 64);
        assert_eq!(offset_of!(FormatMplane, planes), 8 + 20);
        assert_eq!(offset_of!(FormatMplane, planes_used), 8 + 180);
        assert_eq!(offset_of!(Plane, data_offset), 16);
        assert_eq!(size_of::<Plane>(), 64);
        assert_eq!(offset_of!(InputDescription, status), 56);
        assert_eq!(offset_of!(Event, changes), 8);
        assert_eq!(offset_of!(Event, pending), 72);
        assert_eq!(offset_of!(Buffer, length), 72);
        assert_eq!(offset_of!(StreamParameters, interval), 12);
        assert_eq!(offset_of!(QueryControl, flags), 56);
    }
}

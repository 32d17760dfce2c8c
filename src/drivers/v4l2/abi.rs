//! The structures and constants of the kernel's `linux/videodev2.h` that capturing needs.
//!
//! All fields are plain integers. A union of the header is the member that is used here, and
//! padding; `[usize; 0]` gives a union the alignment of its pointers.

use std::ffi::c_long;

/// A pixel format as a four-character code, the first character in the lowest byte.
pub(super) type FourCc = u32;

/// The buffer types of captured frames (`V4L2_BUF_TYPE_VIDEO_CAPTURE`, `.._MPLANE`).
pub(super) const VIDEO_CAPTURE: u32 = 1;
pub(super) const VIDEO_CAPTURE_MPLANE: u32 = 9;
/// Buffers that the driver allocates and this process maps (`V4L2_MEMORY_MMAP`).
pub(super) const MEMORY_MMAP: u32 = 1;

/// Bits of [`Capability::capabilities`] and [`Capability::device_caps`].
pub(super) const CAP_VIDEO_CAPTURE: u32 = 0x0000_0001;
pub(super) const CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
pub(super) const CAP_STREAMING: u32 = 0x0400_0000;
pub(super) const CAP_DEVICE_CAPS: u32 = 0x8000_0000;

/// The kind of a [`FrameSize`] or [`FrameInterval`] that is not a range.
pub(super) const DISCRETE: u32 = 1;

/// Bits of [`Buffer::flags`]. The bits of the mask are the clock of the timestamp.
pub(super) const BUFFER_ERROR: u32 = 0x0000_0040;
pub(super) const TIMESTAMP_MASK: u32 = 0x0000_e000;
pub(super) const TIMESTAMP_MONOTONIC: u32 = 0x0000_2000;

/// Or-ed with a control's id, requests the next control (`V4L2_CTRL_FLAG_NEXT_CTRL`).
pub(super) const CTRL_FLAG_NEXT: u32 = 0x8000_0000;
/// Bits of [`QueryControl::flags`]: a control that cannot be set.
pub(super) const CONTROL_DISABLED: u32 = 0x0001;
pub(super) const CONTROL_READ_ONLY: u32 = 0x0004;
/// The types of controls with an integer value: integer, boolean, menu, integer menu.
pub(super) const NUMERIC_CONTROLS: [u32; 4] = [1, 2, 3, 9];

/// Values of [`PixFormat::colorspace`], [`PixFormat::encoding`] and
/// [`PixFormat::quantization`].
pub(super) const COLORSPACE_REC709: u32 = 3;
pub(super) const COLORSPACE_JPEG: u32 = 7;
pub(super) const COLORSPACE_BT2020: u32 = 10;
pub(super) const COLORSPACE_DCI_P3: u32 = 12;
pub(super) const ENCODING_DEFAULT: u32 = 0;
pub(super) const ENCODING_709: u32 = 2;
pub(super) const ENCODING_XV709: u32 = 4;
pub(super) const ENCODING_BT2020: u32 = 6;
pub(super) const QUANTIZATION_DEFAULT: u32 = 0;
pub(super) const QUANTIZATION_FULL: u32 = 1;

/// `v4l2_capability`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

/// `v4l2_fmtdesc`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct FormatDescription {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixel_format: FourCc,
    pub media_bus_code: u32,
    pub reserved: [u32; 3],
}

/// `v4l2_frmsizeenum`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct FrameSize {
    pub index: u32,
    pub pixel_format: FourCc,
    pub kind: u32,
    /// One width and height; or the width's minimum, maximum and step, then the height's.
    pub size: [u32; 6],
    pub reserved: [u32; 2],
}

/// `v4l2_fract`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fraction {
    pub numerator: u32,
    pub denominator: u32,
}

/// `v4l2_frmivalenum`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct FrameInterval {
    pub index: u32,
    pub pixel_format: FourCc,
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    /// One interval; or the minimum, the maximum and the step.
    pub interval: [Fraction; 3],
    pub reserved: [u32; 2],
}

/// `v4l2_pix_format`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PixFormat {
    pub width: u32,
    pub height: u32,
    pub pixel_format: FourCc,
    pub field: u32,
    pub bytes_per_line: u32,
    pub image_bytes: u32,
    pub colorspace: u32,
    pub private: u32,
    pub flags: u32,
    pub encoding: u32,
    pub quantization: u32,
    pub transfer: u32,
}

/// `v4l2_format` with a `v4l2_pix_format` in its union of 200 bytes.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Format {
    pub kind: u32,
    pub align: [usize; 0],
    pub pix: PixFormat,
    pub rest: [[u32; 19]; 2],
}

/// `v4l2_streamparm` with its `v4l2_captureparm`: a union of 200 bytes.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct StreamParameters {
    pub kind: u32,
    pub capability: u32,
    pub mode: u32,
    pub interval: Fraction,
    pub extended_mode: u32,
    pub read_buffers: u32,
    pub rest: [[u32; 22]; 2],
}

/// `v4l2_requestbuffers`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags_and_reserved: u32,
}

/// `v4l2_buffer`. Where a `long` has 32 bits, this is the variant with 32-bit times: the kernel
/// recognizes it by its size.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub index: u32,
    pub kind: u32,
    pub bytes_used: u32,
    pub flags: u32,
    pub field: u32,
    /// Seconds and microseconds.
    pub timestamp: [c_long; 2],
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    pub align: [usize; 0],
    /// The union `m`, of the size of a pointer: the offset to map, or the address of the
    /// [`Plane`]s.
    pub m: usize,
    /// The size of the buffer in bytes, or the number of planes.
    pub length: u32,
    pub reserved: u32,
    pub request: i32,
}

/// `v4l2_plane`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Plane {
    pub bytes_used: u32,
    pub length: u32,
    /// The union `m`, of the size of a pointer: the offset to map.
    pub m: usize,
    /// The offset of the picture in the plane, in bytes.
    pub data_offset: u32,
    pub reserved: [u32; 11],
}

/// The offset to map: the first 32 bits of the union of a buffer or a plane.
pub(super) fn offset(m: usize) -> u32 {
    m.to_ne_bytes()
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// `v4l2_plane_pix_format`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PlanePixFormat {
    pub image_bytes: u32,
    pub bytes_per_line: u32,
    pub reserved: [u16; 6],
}

/// `v4l2_format` with a `v4l2_pix_format_mplane` in its union.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct FormatMplane {
    pub kind: u32,
    pub align: [usize; 0],
    pub width: u32,
    pub height: u32,
    pub pixel_format: FourCc,
    pub field: u32,
    pub colorspace: u32,
    pub planes: [PlanePixFormat; 8],
    pub planes_used: u8,
    pub flags: u8,
    pub encoding: u8,
    pub quantization: u8,
    pub transfer: u8,
    pub reserved: [u8; 7],
    pub rest: [u32; 2],
}

/// `v4l2_input`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct InputDescription {
    pub index: u32,
    pub name: [u8; 32],
    pub kind: u32,
    pub audio: u32,
    pub tuner: u32,
    pub standards: u64,
    pub status: u32,
    pub capabilities: u32,
    pub reserved: [u32; 3],
}

/// Bits of [`InputDescription::status`]: no power, no signal.
pub(super) const INPUT_SILENT: u32 = 0x0000_0003;

/// `v4l2_dv_timings`, passed from one request to another unchanged.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct DvTimings {
    pub kind: u32,
    pub width: u32,
    pub height: u32,
    pub rest: [u32; 30],
}

/// `v4l2_event_subscription`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub kind: u32,
    pub id: u32,
    pub flags: u32,
    pub reserved: [u32; 5],
}

/// `v4l2_event`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Event {
    pub kind: u32,
    pub align: [u64; 0],
    /// A union; for [`EVENT_SOURCE_CHANGE`] it begins with the flags of the change.
    pub changes: u32,
    pub rest: [u32; 15],
    pub pending: u32,
    pub sequence: u32,
    /// Seconds and nanoseconds.
    pub timestamp: [c_long; 2],
    pub id: u32,
    pub reserved: [u32; 8],
}

/// A type of [`Event`], and the flag of a changed resolution.
pub(super) const EVENT_SOURCE_CHANGE: u32 = 5;
pub(super) const CHANGED_RESOLUTION: u32 = 1;

/// `v4l2_queryctrl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueryControl {
    pub id: u32,
    pub kind: u32,
    pub name: [u8; 32],
    pub minimum: i32,
    pub maximum: i32,
    pub step: i32,
    pub default: i32,
    pub flags: u32,
    pub reserved: [u32; 2],
}

/// `v4l2_control`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Control {
    pub id: u32,
    pub value: i32,
}

/// The four characters of a pixel format; `-BE` follows for big-endian ones, whose highest bit is
/// set (`v4l2_fourcc_be`).
pub(super) fn format_name(fourcc: FourCc) -> String {
    let name = text(&(fourcc & !BIG_ENDIAN).to_le_bytes());
    if fourcc & BIG_ENDIAN == 0 {
        name
    } else {
        name + "-BE"
    }
}

const BIG_ENDIAN: FourCc = 1 << 31;

/// The text of a fixed-length field, up to its first zero byte.
pub(super) fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or(field))
        .trim()
        .to_owned()
}

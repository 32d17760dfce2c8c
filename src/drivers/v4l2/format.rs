//! Pixel formats: their names and memory layouts.

use self::Packing::{Grey, Jpeg, Pairs, Rgb, Rgb565, ThreePlanes, TwoPlanes};

/// A supported pixel format, in the order of preference: JPEG needs no encoding; of the others,
/// formats with a higher chroma resolution come first, then those that need less conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "the variants are named after V4L2's macros, and `description` describes each"
)]
pub enum PixelFormat {
    Mjpg,
    Jpeg,
    Yuyv,
    Uyvy,
    Yvyu,
    Vyuy,
    Nv16,
    Nv61,
    Yuv422p,
    Nv12,
    Nv21,
    Yuv420,
    Yvu420,
    Rgb24,
    Bgr24,
    Xbgr32,
    Abgr32,
    Bgr32,
    Rgbx32,
    Rgba32,
    Xrgb32,
    Argb32,
    Rgb32,
    Bgrx32,
    Bgra32,
    Rgb565,
    Grey,
}

/// The memory layout of a picture. In all Y'CbCr formats, two pixels of a row share their chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Compressed.
    Jpeg,
    /// Two pixels in four bytes: luma at `luma` and `luma + 2`, chroma at the other two.
    Pairs {
        /// 0 or 1.
        luma: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// A plane of luma, then one with Cb and Cr interleaved.
    TwoPlanes {
        /// The number of rows that share a row of chroma: 1 or 2.
        rows: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// A plane of luma, then one of Cb and one of Cr.
    ThreePlanes {
        /// The number of rows that share a row of chroma: 1 or 2.
        rows: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// One byte each for red, green and blue.
    Rgb {
        /// The bytes per pixel: 3 or 4.
        bytes: usize,
        /// The offsets of red, green and blue in a pixel.
        at: [usize; 3],
    },
    /// Two bytes per pixel, little-endian: 5 bits of red, 6 of green, 5 of blue.
    Rgb565,
    /// Luma only.
    Grey,
}

/// The description of a format.
struct Description {
    /// Its name on the command line.
    name: &'static str,
    /// Its V4L2 four-character code.
    fourcc: &'static [u8; 4],
    /// Its names in ffmpeg and GStreamer.
    aliases: &'static [&'static str],
    packing: Packing,
}

const fn describe(
    name: &'static str,
    fourcc: &'static [u8; 4],
    aliases: &'static [&'static str],
    packing: Packing,
) -> Description {
    Description {
        name,
        fourcc,
        aliases,
        packing,
    }
}

const fn rgb(bytes: usize, at: [usize; 3]) -> Packing {
    Rgb { bytes, at }
}

impl PixelFormat {
    /// All formats, the preferred first.
    pub const ALL: [Self; 27] = [
        Self::Mjpg,
        Self::Jpeg,
        Self::Yuyv,
        Self::Uyvy,
        Self::Yvyu,
        Self::Vyuy,
        Self::Nv16,
        Self::Nv61,
        Self::Yuv422p,
        Self::Nv12,
        Self::Nv21,
        Self::Yuv420,
        Self::Yvu420,
        Self::Rgb24,
        Self::Bgr24,
        Self::Xbgr32,
        Self::Abgr32,
        Self::Bgr32,
        Self::Rgbx32,
        Self::Rgba32,
        Self::Xrgb32,
        Self::Argb32,
        Self::Rgb32,
        Self::Bgrx32,
        Self::Bgra32,
        Self::Rgb565,
        Self::Grey,
    ];

    /// Source of the numbers: the kernel's "Image Formats" (`userspace-api/media/v4l/pixfmt`).
    const fn description(self) -> Description {
        match self {
            Self::Mjpg => describe("mjpg", b"MJPG", &["mjpeg", "jpg"], Jpeg),
            Self::Jpeg => describe("jpeg", b"JPEG", &[], Jpeg),
            Self::Yuyv => describe(
                "yuyv",
                b"YUYV",
                &["yuyv422", "yuy2"],
                Pairs {
                    luma: 0,
                    swapped: false,
                },
            ),
            Self::Uyvy => describe(
                "uyvy",
                b"UYVY",
                &["uyvy422"],
                Pairs {
                    luma: 1,
                    swapped: false,
                },
            ),
            Self::Yvyu => describe(
                "yvyu",
                b"YVYU",
                &["yvyu422"],
                Pairs {
                    luma: 0,
                    swapped: true,
                },
            ),
            Self::Vyuy => describe(
                "vyuy",
                b"VYUY",
                &[],
                Pairs {
                    luma: 1,
                    swapped: true,
                },
            ),
            Self::Nv16 => describe(
                "nv16",
                b"NV16",
                &[],
                TwoPlanes {
                    rows: 1,
                    swapped: false,
                },
            ),
            Self::Nv61 => describe(
                "nv61",
                b"NV61",
                &[],
                TwoPlanes {
                    rows: 1,
                    swapped: true,
                },
            ),
            Self::Yuv422p => describe(
                "yuv422p",
                b"422P",
                &["yuv422", "y42b"],
                ThreePlanes {
                    rows: 1,
                    swapped: false,
                },
            ),
            Self::Nv12 => describe(
                "nv12",
                b"NV12",
                &[],
                TwoPlanes {
                    rows: 2,
                    swapped: false,
                },
            ),
            Self::Nv21 => describe(
                "nv21",
                b"NV21",
                &[],
                TwoPlanes {
                    rows: 2,
                    swapped: true,
                },
            ),
            Self::Yuv420 => describe(
                "yuv420",
                b"YU12",
                &["yuv420p", "i420"],
                ThreePlanes {
                    rows: 2,
                    swapped: false,
                },
            ),
            Self::Yvu420 => describe(
                "yvu420",
                b"YV12",
                &["yvu420p"],
                ThreePlanes {
                    rows: 2,
                    swapped: true,
                },
            ),
            Self::Rgb24 => describe("rgb24", b"RGB3", &["rgb"], rgb(3, [0, 1, 2])),
            Self::Bgr24 => describe("bgr24", b"BGR3", &["bgr"], rgb(3, [2, 1, 0])),
            Self::Xbgr32 => describe("xbgr32", b"XR24", &["bgr0", "bgrx"], rgb(4, [2, 1, 0])),
            Self::Abgr32 => describe("abgr32", b"AR24", &["bgra"], rgb(4, [2, 1, 0])),
            Self::Bgr32 => describe("bgr32", b"BGR4", &[], rgb(4, [2, 1, 0])),
            Self::Rgbx32 => describe("rgbx32", b"XB24", &["rgb0", "rgbx"], rgb(4, [0, 1, 2])),
            Self::Rgba32 => describe("rgba32", b"AB24", &["rgba"], rgb(4, [0, 1, 2])),
            Self::Xrgb32 => describe("xrgb32", b"BX24", &["0rgb", "xrgb"], rgb(4, [1, 2, 3])),
            Self::Argb32 => describe("argb32", b"BA24", &["argb"], rgb(4, [1, 2, 3])),
            Self::Rgb32 => describe("rgb32", b"RGB4", &[], rgb(4, [1, 2, 3])),
            Self::Bgrx32 => describe("bgrx32", b"RX24", &["0bgr", "xbgr"], rgb(4, [3, 2, 1])),
            Self::Bgra32 => describe("bgra32", b"RA24", &["abgr"], rgb(4, [3, 2, 1])),
            Self::Rgb565 => describe("rgb565", b"RGBP", &["rgb565le", "rgb16"], Rgb565),
            Self::Grey => describe("grey", b"GREY", &["gray", "gray8", "y8"], Grey),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// Its V4L2 code.
    pub fn fourcc(self) -> u32 {
        u32::from_le_bytes(*self.description().fourcc)
    }

    /// The format with this V4L2 code.
    pub fn from_fourcc(fourcc: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.fourcc() == fourcc)
    }

    /// Finds a format by its name, its four-character code or its name in ffmpeg or GStreamer,
    /// ignoring case.
    pub fn from_name(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| {
            let Description {
                name,
                fourcc,
                aliases,
                ..
            } = format.description();
            name == text
                || fourcc.eq_ignore_ascii_case(text.as_bytes())
                || aliases.contains(&text.as_str())
        })
    }

    /// Its memory layout.
    pub(super) fn packing(self) -> Packing {
        self.description().packing
    }

    /// Whether its pictures are JPEGs.
    pub fn is_jpeg(self) -> bool {
        self.packing() == Jpeg
    }

    /// Whether it is an RGB format.
    pub fn is_rgb(self) -> bool {
        matches!(self.packing(), Rgb { .. } | Rgb565)
    }
}

/// Whether this is the V4L2 code of raw sensor data: a Bayer pattern of 8 to 16 bits, packed or not
/// (`pixfmt-bayer`).
pub(super) fn is_bayer(fourcc: u32) -> bool {
    matches!(
        &fourcc.to_le_bytes(),
        b"BA81" | b"GBRG" | b"GRBG" | b"RGGB" | b"BYR2"
            // BG10, GB12, BA14 ..: 10 to 16 bits, two bytes per sample.
            | [b'B' | b'G' | b'R', b'A' | b'B' | b'G' | b'R', b'1', b'0' | b'2' | b'4' | b'6']
            // pBAA, pgCC ..: packed. aBA8, bBA8 ..: compressed to 8 bits.
            | [b'p', b'B' | b'G' | b'g' | b'R', b'A' | b'C' | b'E', b'A' | b'C' | b'E']
            | [b'a' | b'b', b'B' | b'G' | b'g' | b'R', b'A', b'8']
            // ip3b ..: Intel's. PC1B ..: PiSP's.
            | [b'i', b'p', b'3', _]
            | [b'P', b'C', b'1' | b'2', b'B' | b'G' | b'g' | b'R' | b'M']
    )
}

//! Pixel formats: their names, and how their bytes lie.

use self::Packing::{Grey, Jpeg, Pairs, Rgb, Rgb565, ThreePlanes, TwoPlanes};

/// A pixel format that framecast shows. The order is that of preference: JPEGs cost nothing; of the
/// others, formats with more color come first, and among these the ones with less to convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "the variants are named after V4L2's macros, and `facts` describes each"
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

/// How the bytes of a picture lie. Two pixels of a row share their chroma in all formats with
/// Y'CbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Compressed already.
    Jpeg,
    /// Two pixels in four bytes: luma at `luma` and two bytes further, chroma between.
    Pairs {
        /// 0 or 1.
        luma: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// A plane of luma, then one of chroma with Cb and Cr in turn.
    TwoPlanes {
        /// The rows that share a row of chroma, 1 or 2.
        rows: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// A plane of luma, then one of Cb and one of Cr.
    ThreePlanes {
        /// The rows that share a row of chroma, 1 or 2.
        rows: usize,
        /// Whether Cr comes before Cb.
        swapped: bool,
    },
    /// A byte each for red, green and blue.
    Rgb {
        /// The bytes of a pixel, 3 or 4.
        bytes: usize,
        /// Where in a pixel red, green and blue are.
        at: [usize; 3],
    },
    /// Two bytes a pixel, the lower first: 5 bits of red, 6 of green, 5 of blue.
    Rgb565,
    /// Luma alone.
    Grey,
}

/// What there is to know of a format.
struct Facts {
    /// Its name on the command line.
    name: &'static str,
    /// V4L2's four characters.
    fourcc: &'static [u8; 4],
    /// What other programs call it: ffmpeg, GStreamer.
    aliases: &'static [&'static str],
    packing: Packing,
}

const fn facts(
    name: &'static str,
    fourcc: &'static [u8; 4],
    aliases: &'static [&'static str],
    packing: Packing,
) -> Facts {
    Facts {
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
    /// All there are, the best first.
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
    const fn facts(self) -> Facts {
        match self {
            Self::Mjpg => facts("mjpg", b"MJPG", &["mjpeg", "jpg"], Jpeg),
            Self::Jpeg => facts("jpeg", b"JPEG", &[], Jpeg),
            Self::Yuyv => facts(
                "yuyv",
                b"YUYV",
                &["yuyv422", "yuy2"],
                Pairs {
                    luma: 0,
                    swapped: false,
                },
            ),
            Self::Uyvy => facts(
                "uyvy",
                b"UYVY",
                &["uyvy422"],
                Pairs {
                    luma: 1,
                    swapped: false,
                },
            ),
            Self::Yvyu => facts(
                "yvyu",
                b"YVYU",
                &["yvyu422"],
                Pairs {
                    luma: 0,
                    swapped: true,
                },
            ),
            Self::Vyuy => facts(
                "vyuy",
                b"VYUY",
                &[],
                Pairs {
                    luma: 1,
                    swapped: true,
                },
            ),
            Self::Nv16 => facts(
                "nv16",
                b"NV16",
                &[],
                TwoPlanes {
                    rows: 1,
                    swapped: false,
                },
            ),
            Self::Nv61 => facts(
                "nv61",
                b"NV61",
                &[],
                TwoPlanes {
                    rows: 1,
                    swapped: true,
                },
            ),
            Self::Yuv422p => facts(
                "yuv422p",
                b"422P",
                &["yuv422", "y42b"],
                ThreePlanes {
                    rows: 1,
                    swapped: false,
                },
            ),
            Self::Nv12 => facts(
                "nv12",
                b"NV12",
                &[],
                TwoPlanes {
                    rows: 2,
                    swapped: false,
                },
            ),
            Self::Nv21 => facts(
                "nv21",
                b"NV21",
                &[],
                TwoPlanes {
                    rows: 2,
                    swapped: true,
                },
            ),
            Self::Yuv420 => facts(
                "yuv420",
                b"YU12",
                &["yuv420p", "i420"],
                ThreePlanes {
                    rows: 2,
                    swapped: false,
                },
            ),
            Self::Yvu420 => facts(
                "yvu420",
                b"YV12",
                &["yvu420p"],
                ThreePlanes {
                    rows: 2,
                    swapped: true,
                },
            ),
            Self::Rgb24 => facts("rgb24", b"RGB3", &["rgb"], rgb(3, [0, 1, 2])),
            Self::Bgr24 => facts("bgr24", b"BGR3", &["bgr"], rgb(3, [2, 1, 0])),
            Self::Xbgr32 => facts("xbgr32", b"XR24", &["bgr0", "bgrx"], rgb(4, [2, 1, 0])),
            Self::Abgr32 => facts("abgr32", b"AR24", &["bgra"], rgb(4, [2, 1, 0])),
            Self::Bgr32 => facts("bgr32", b"BGR4", &[], rgb(4, [2, 1, 0])),
            Self::Rgbx32 => facts("rgbx32", b"XB24", &["rgb0", "rgbx"], rgb(4, [0, 1, 2])),
            Self::Rgba32 => facts("rgba32", b"AB24", &["rgba"], rgb(4, [0, 1, 2])),
            Self::Xrgb32 => facts("xrgb32", b"BX24", &["0rgb", "xrgb"], rgb(4, [1, 2, 3])),
            Self::Argb32 => facts("argb32", b"BA24", &["argb"], rgb(4, [1, 2, 3])),
            Self::Rgb32 => facts("rgb32", b"RGB4", &[], rgb(4, [1, 2, 3])),
            Self::Bgrx32 => facts("bgrx32", b"RX24", &["0bgr", "xbgr"], rgb(4, [3, 2, 1])),
            Self::Bgra32 => facts("bgra32", b"RA24", &["abgr"], rgb(4, [3, 2, 1])),
            Self::Rgb565 => facts("rgb565", b"RGBP", &["rgb565le", "rgb16"], Rgb565),
            Self::Grey => facts("grey", b"GREY", &["gray", "gray8", "y8"], Grey),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// V4L2's number for it.
    pub fn fourcc(self) -> u32 {
        u32::from_le_bytes(*self.facts().fourcc)
    }

    /// The format that V4L2 has this number for.
    pub fn of(fourcc: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.fourcc() == fourcc)
    }

    /// The format of that name, in capitals or small letters: its own, V4L2's four characters, or
    /// the name that ffmpeg or GStreamer has for it.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| {
            let Facts {
                name,
                fourcc,
                aliases,
                ..
            } = format.facts();
            name == text
                || fourcc.eq_ignore_ascii_case(text.as_bytes())
                || aliases.contains(&text.as_str())
        })
    }

    /// How its bytes lie.
    pub(super) fn packing(self) -> Packing {
        self.facts().packing
    }

    /// Whether its pictures are JPEGs.
    pub fn is_jpeg(self) -> bool {
        self.packing() == Jpeg
    }

    /// Whether its pictures are red, green and blue.
    pub fn is_rgb(self) -> bool {
        matches!(self.packing(), Rgb { .. } | Rgb565)
    }
}

/// Whether V4L2 has this number for what an image sensor gives without a picture processor: a Bayer
/// pattern, of 8 to 16 bits, packed or not (`pixfmt-bayer`).
pub(super) fn is_bayer(fourcc: u32) -> bool {
    matches!(
        &fourcc.to_le_bytes(),
        b"BA81" | b"GBRG" | b"GRBG" | b"RGGB" | b"BYR2"
            // BG10, GB12, BA14 ..: 10 to 16 bits, each sample in two bytes.
            | [b'B' | b'G' | b'R', b'A' | b'B' | b'G' | b'R', b'1', b'0' | b'2' | b'4' | b'6']
            // pBAA, pgCC ..: packed. aBA8, bBA8 ..: compressed to 8 bits.
            | [b'p', b'B' | b'G' | b'g' | b'R', b'A' | b'C' | b'E', b'A' | b'C' | b'E']
            | [b'a' | b'b', b'B' | b'G' | b'g' | b'R', b'A', b'8']
            // ip3b ..: Intel's. PC1B ..: PiSP's.
            | [b'i', b'p', b'3', _]
            | [b'P', b'C', b'1' | b'2', b'B' | b'G' | b'g' | b'R' | b'M']
    )
}

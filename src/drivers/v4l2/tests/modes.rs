//! The choice of the mode.

use crate::drivers::v4l2::modes::PixelFormat::{Grey, Jpeg, Mjpg, Nv12, Rgb24, Yuyv};
use crate::drivers::v4l2::modes::{
    FrameRates, FrameSizes, Mode, PixelFormat, Size, Stepwise, SupportedFormat, choose, rate,
};
use proptest::prelude::*;

const VGA: Size = Size {
    width: 640,
    height: 480,
};
const HD: Size = Size {
    width: 1280,
    height: 720,
};

fn only(size: Size) -> FrameSizes {
    FrameSizes {
        width: Stepwise::only(size.width),
        height: Stepwise::only(size.height),
    }
}

fn offer(format: PixelFormat, sizes: &[Size]) -> SupportedFormat {
    SupportedFormat {
        format,
        sizes: sizes.iter().copied().map(only).collect(),
    }
}

fn at(fps: f64) -> FrameRates {
    FrameRates { min: fps, max: fps }
}

/// A webcam: MJPG is fast at any size, raw formats only at small sizes.
fn webcam(format: PixelFormat, size: Size) -> Vec<FrameRates> {
    if format == Mjpg || size == VGA {
        vec![at(30.0), at(15.0), at(7.5)]
    } else {
        vec![at(10.0), at(5.0)]
    }
}

#[test]
fn preferred_format_of_nearest_modes_is_chosen() {
    let all = [offer(Yuyv, &[VGA, HD]), offer(Mjpg, &[VGA, HD])];
    assert_eq!(
        choose(&all, HD, 30.0, webcam),
        Some(Mode {
            format: Mjpg,
            size: HD,
            fps: 30.0
        })
    );
    assert_eq!(
        choose(&all, HD, 7.5, webcam),
        Some(Mode {
            format: Mjpg,
            size: HD,
            fps: 7.5
        })
    );
    assert_eq!(
        choose(&all, HD, 5.0, webcam),
        Some(Mode {
            format: Yuyv,
            size: HD,
            fps: 5.0
        })
    );
    let small = [offer(Mjpg, &[VGA]), offer(Grey, &[HD]), offer(Yuyv, &[HD])];
    assert_eq!(
        choose(&small, HD, 10.0, webcam),
        Some(Mode {
            format: Yuyv,
            size: HD,
            fps: 10.0
        })
    );
    let preference: Vec<_> = [Grey, Rgb24, Nv12, Yuyv, Jpeg, Mjpg]
        .map(|format| offer(format, &[HD]))
        .to_vec();
    for last in 1..=preference.len() {
        let best = preference[last - 1].format;
        assert_eq!(
            choose(&preference[..last], HD, 30.0, |_, _| vec![at(30.0)])
                .unwrap()
                .format,
            best
        );
    }
}

#[test]
fn nearest_size_then_nearest_rate_is_chosen() {
    let all = [offer(Mjpg, &[VGA, HD]), offer(Yuyv, &[VGA])];
    let wanted = Size {
        width: 1920,
        height: 1080,
    };
    assert_eq!(
        choose(&all, wanted, 60.0, webcam),
        Some(Mode {
            format: Mjpg,
            size: HD,
            fps: 30.0
        })
    );
    let wanted = Size {
        width: 320,
        height: 240,
    };
    assert_eq!(
        choose(&all, wanted, 12.0, webcam),
        Some(Mode {
            format: Mjpg,
            size: VGA,
            fps: 15.0
        })
    );
    assert_eq!(choose(&[], HD, 30.0, webcam), None);
}

#[test]
fn wanted_mode_is_tried_without_enumeration() {
    let mode = Mode {
        format: Yuyv,
        size: HD,
        fps: 30.0,
    };
    assert_eq!(
        choose(&[offer(Yuyv, &[])], HD, 30.0, |_, _| Vec::new()),
        Some(mode)
    );
}

#[test]
fn stepwise_size_is_rounded_to_the_nearest() {
    let steps = |min, max, step| Stepwise { min, max, step };
    let any = [SupportedFormat {
        format: Yuyv,
        sizes: vec![FrameSizes {
            width: steps(32, 1000, 16),
            height: steps(16, 720, 0),
        }],
    }];
    for (wanted, nearest) in [
        ((32, 16), (32, 16)),
        ((1, 1), (32, 16)),
        ((647, 481), (640, 481)),
        ((649, 9999), (656, 720)),
    ] {
        let size = Size {
            width: wanted.0,
            height: wanted.1,
        };
        let mode = choose(&any, size, 30.0, |_, _| {
            vec![FrameRates {
                min: 1.0,
                max: 60.0,
            }]
        })
        .unwrap();
        assert_eq!((mode.size.width, mode.size.height), nearest);
        assert_eq!(mode.fps, 30.0);
    }
    let last_step = choose(
        &any,
        Size {
            width: 5000,
            height: 720,
        },
        90.0,
        |_, _| {
            vec![FrameRates {
                min: 1.0,
                max: 60.0,
            }]
        },
    );
    assert_eq!(
        last_step,
        Some(Mode {
            format: Yuyv,
            size: Size {
                width: 992,
                height: 720
            },
            fps: 60.0
        })
    );
}

#[test]
fn rates_are_formatted_briefly_and_compared_with_tolerance() {
    for (fps, text) in [
        (30.0, "30"),
        (30_000.0 / 1001.0, "29.97"),
        (7.5, "7.5"),
        (100.0, "100"),
        (0.25, "0.25"),
    ] {
        assert_eq!(rate(fps), text);
    }
    let mode = Mode {
        format: Mjpg,
        size: HD,
        fps: 30_000.0 / 1001.0,
    };
    assert!(mode.matches(HD, 30.0));
    assert!(!mode.matches(HD, 25.0));
    assert!(!mode.matches(VGA, 30.0));
}

proptest! {
    #[test]
    fn arbitrary_modes_do_not_panic(
        numbers in prop::collection::vec(prop_oneof![0..50_u32, any::<u32>()], 6),
        wanted in any::<(u32, u32)>(),
        fps in 0.01..240.0,
        rates in any::<(f64, f64)>(),
    ) {
        let steps = |at: usize| Stepwise { min: numbers[at], max: numbers[at + 1], step: numbers[at + 2] };
        let offers = [SupportedFormat { format: Nv12, sizes: vec![FrameSizes { width: steps(0), height: steps(3) }] }];
        let size = Size { width: wanted.0, height: wanted.1 };
        let mode = choose(&offers, size, fps, |_, _| vec![FrameRates { min: rates.0, max: rates.1 }]).unwrap();
        let Stepwise { min, max, .. } = steps(0);
        prop_assert!(min > max || (min..=max).contains(&mode.size.width));
    }
}

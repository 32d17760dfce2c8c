//! What is taken of what a camera offers.

use crate::drivers::v4l2::offer::PixelFormat::{Grey, Jpeg, Mjpg, Nv12, Rgb24, Yuyv};
use crate::drivers::v4l2::offer::{
    Mode, Offer, PixelFormat, Rates, Size, Sizes, Steps, choose, rate,
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

fn only(size: Size) -> Sizes {
    Sizes {
        width: Steps::only(size.width),
        height: Steps::only(size.height),
    }
}

fn offer(format: PixelFormat, sizes: &[Size]) -> Offer {
    Offer {
        format,
        sizes: sizes.iter().copied().map(only).collect(),
    }
}

fn at(fps: f64) -> Rates {
    Rates {
        slowest: fps,
        fastest: fps,
    }
}

/// A webcam: its compressed pictures are fast at any size, the raw ones only if small.
fn webcam(format: PixelFormat, size: Size) -> Vec<Rates> {
    if format == Mjpg || size == VGA {
        vec![at(30.0), at(15.0), at(7.5)]
    } else {
        vec![at(10.0), at(5.0)]
    }
}

#[test]
fn the_best_format_that_has_what_is_wanted_is_taken() {
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
fn the_nearest_size_is_taken_then_the_nearest_rate() {
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
fn where_nothing_is_told_what_is_wanted_is_tried() {
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
fn a_size_between_two_steps_goes_to_the_nearer() {
    let steps = |least, greatest, step| Steps {
        least,
        greatest,
        step,
    };
    let any = [Offer {
        format: Yuyv,
        sizes: vec![Sizes {
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
            vec![Rates {
                slowest: 1.0,
                fastest: 60.0,
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
            vec![Rates {
                slowest: 1.0,
                fastest: 60.0,
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
fn rates_are_written_short_and_compared_with_some_patience() {
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
    assert!(mode.is_like(HD, 30.0));
    assert!(!mode.is_like(HD, 25.0));
    assert!(!mode.is_like(VGA, 30.0));
}

proptest! {
    #[test]
    fn no_offer_however_odd_makes_a_panic(
        numbers in prop::collection::vec(prop_oneof![0..50_u32, any::<u32>()], 6),
        wanted in any::<(u32, u32)>(),
        fps in 0.01..240.0,
        rates in any::<(f64, f64)>(),
    ) {
        let steps = |at: usize| Steps { least: numbers[at], greatest: numbers[at + 1], step: numbers[at + 2] };
        let offers = [Offer { format: Nv12, sizes: vec![Sizes { width: steps(0), height: steps(3) }] }];
        let size = Size { width: wanted.0, height: wanted.1 };
        let mode = choose(&offers, size, fps, |_, _| vec![Rates { slowest: rates.0, fastest: rates.1 }]).unwrap();
        let Steps { least, greatest, .. } = steps(0);
        prop_assert!(least > greatest || (least..=greatest).contains(&mode.size.width));
    }
}

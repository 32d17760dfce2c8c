//! Checks that work is linear: the number of examined bytes is bounded per received byte and per read.
//! Only the fuzzer's build counts them (see `counted`).

// `cargo fuzz` sets `fuzzing`, and cargo does not know of it.
#![allow(unexpected_cfgs)]

/// Panics if more than `each` bytes per received byte and per read were examined since the last call.
#[cfg(fuzzing)]
pub fn is_linear(bytes: usize, pieces: usize, each: usize) {
    let examined = memchr::take_examined();
    let most = each * (bytes + pieces + 1);
    assert!(
        examined <= most,
        "{examined} bytes were looked at for {bytes} in {pieces} pieces, more than {most}"
    );
}

#[cfg(not(fuzzing))]
pub fn is_linear(_bytes: usize, _pieces: usize, _each: usize) {}

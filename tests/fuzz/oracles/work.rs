//! Linear work: the bytes that a parser has looked at are at most so many for each byte it was
//! given, and for each piece in which they came. A fuzzer's build counts them (see `counted`);
//! another one does not.

// `cargo fuzz` sets `fuzzing`, and cargo does not know of it.
#![allow(unexpected_cfgs)]

/// Fails if since the last call more than `each` bytes were looked at for each of `bytes` and
/// `pieces`.
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

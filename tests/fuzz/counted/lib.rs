//! What the layers use of the crate memchr, and how many bytes it has looked at for them. Their
//! parsers look for things with nothing else, so the count tells whether their work is linear:
//! something that a clock on a busy machine cannot.

use std::cell::Cell;

thread_local! {
    static EXAMINED: Cell<usize> = const { Cell::new(0) };
}

/// How many bytes have been looked at since the last call.
pub fn take_examined() -> usize {
    EXAMINED.take()
}

/// Counts the bytes up to the last of what was found, or all of them.
fn count(haystack: &[u8], needle_bytes: usize, found: Option<usize>) -> Option<usize> {
    EXAMINED.set(EXAMINED.get() + found.map_or(haystack.len(), |at| at + needle_bytes));
    found
}

pub fn memchr(needle: u8, haystack: &[u8]) -> Option<usize> {
    count(haystack, 1, real::memchr(needle, haystack))
}

pub fn memchr2(first: u8, second: u8, haystack: &[u8]) -> Option<usize> {
    count(haystack, 1, real::memchr2(first, second, haystack))
}

pub fn memchr_iter(needle: u8, haystack: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + memchr(needle, &haystack[from..])?;
        from = at + 1;
        Some(at)
    })
}

pub fn memchr2_iter(first: u8, second: u8, haystack: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + memchr2(first, second, &haystack[from..])?;
        from = at + 1;
        Some(at)
    })
}

pub mod memmem {
    pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        super::count(haystack, needle.len(), real::memmem::find(haystack, needle))
    }
}

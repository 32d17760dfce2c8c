//! The pictures of the emulated camera: a large 1, 2 and 3, like the countdown of a film. A unit
//! test draws them.

/// The three pictures, embedded in the program, in their order.
pub const PICTURES: [&[u8]; 3] = [
    include_bytes!("../../frames/1.jpg"),
    include_bytes!("../../frames/2.jpg"),
    include_bytes!("../../frames/3.jpg"),
];

//! The emulated camera's pictures: a large 1, 2 and 3 that follow each other like a film's
//! countdown. A unit test draws them.

/// The three pictures as they are embedded in the program, in their order.
pub const PICTURES: [&[u8]; 3] = [
    include_bytes!("../../frames/1.jpg"),
    include_bytes!("../../frames/2.jpg"),
    include_bytes!("../../frames/3.jpg"),
];

//! The drivers behind `framecast capture`: ordinary blocking programs that write frames to standard output.
//! They know nothing of the server: what they share with it is [`crate::wire`].

pub mod canvas;
pub mod numbers;
pub mod pen;

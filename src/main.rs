//! The `framecast` program: see `commands.rs` in the library.

fn main() -> std::process::ExitCode {
    framecast::main()
}

// The private modules that the benches use, compiled into each of them.
#[path = "../../src/bench/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod bench;
#[path = "../../src/clock.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod clock;
#[path = "../../src/text/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod text;
#[path = "../../src/trust.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod trust;
#[path = "../../src/wire/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod wire;

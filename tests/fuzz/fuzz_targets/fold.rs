#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oncelog::fuzzing::fold(data));

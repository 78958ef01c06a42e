#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| jupyter_fleet::laws::requirements(bytes));

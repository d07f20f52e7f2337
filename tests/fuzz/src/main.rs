//! `farandole-fuzz`, for LLVM's fuzzer: FUZZ_TARGET names the target, and all arguments are libFuzzer's.
#![no_main]
#![allow(unsafe_code, reason = "LLVM calls its entry point by name")]

use std::sync::OnceLock;

use farandole_fuzz::{TARGETS, Target, target};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        target(&name)
            .unwrap_or_else(|| panic!("FUZZ_TARGET is one of {:?}", TARGETS.map(|(name, _)| name)))
    });
    target(data);
});

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| streamhub_fuzz_targets::run("rtsp_answer", data));

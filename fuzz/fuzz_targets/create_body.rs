//! Whatever a client sends as the body of `POST /containers/create` is read or refused, and what is read is stable: the
//! body as we write it reads to itself, with no field that we wouldn't know.
#![no_main]

use gantry_api::{Filters, FrameDecoder, RegistryAuth, create};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parsed) = create::parse(bytes) {
        let written = serde_json::to_vec(&parsed.body).expect("a body that was read can be written");
        let again = create::parse(&written).expect("a body that we wrote can be read");
        assert_eq!(again.body, parsed.body);
        assert!(again.unknown.is_empty(), "{:?}", again.unknown);
    }
    // The other parsers of what clients send: they must only not panic.
    let text = String::from_utf8_lossy(bytes);
    let _ = Filters::parse(Some(&text), &["label", "name"]);
    let _ = RegistryAuth::from_header(&text);
    let mut decoder = FrameDecoder::new(64);
    decoder.feed(bytes);
    while let Ok(Some(_)) = decoder.next_frame() {}
});

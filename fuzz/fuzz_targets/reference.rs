//! Whatever parses as a reference is written so that it parses to the same, and can't climb out of a URL's path.
#![no_main]

use gantry_image::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(reference) = Reference::parse(text) else { return };
    for written in [reference.to_string(), reference.familiar()] {
        assert_eq!(Reference::parse(&written).as_ref(), Ok(&reference), "{written}");
    }
    assert!(reference.tag().is_some() || reference.digest().is_some());
    assert!(!reference.path().split('/').any(|part| part.is_empty() || part == "." || part == ".."));
});

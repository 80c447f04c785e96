//! A layer's tar, however crafted, touches nothing outside of the folder that it is unpacked to.
#![no_main]

use std::fs;
use std::os::unix::fs::MetadataExt;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|tar: &[u8]| {
    let place = tempfile::tempdir().expect("temporary folder");
    let (layer, secret) = (place.path().join("layer"), place.path().join("secret"));
    fs::create_dir(&layer).expect("folder");
    fs::write(&secret, "secret").expect("secret");
    // Refused or not: both are fine.
    let _ = gantry_image::unpack(tar, &layer);
    assert_eq!(fs::read(&secret).expect("secret"), b"secret");
    assert_eq!(fs::symlink_metadata(&secret).expect("secret").nlink(), 1);
    assert_eq!(fs::read_dir(place.path()).expect("folder").count(), 2);
});

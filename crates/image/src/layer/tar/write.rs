//! Headers of the archives that we write.

use super::BLOCK;

/// A ustar header of a file or folder with a short name, owned by root, at the epoch.
pub(crate) fn tar_header(name: &str, size: u64, folder: bool) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let len = name.len().min(100);
    block[..len].copy_from_slice(&name.as_bytes()[..len]);
    block[100..108].copy_from_slice(if folder { b"0000755\0" } else { b"0000644\0" });
    for field in [108..116, 116..124] {
        block[field].copy_from_slice(b"0000000\0");
    }
    if size < 1 << 33 {
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    } else {
        // GNU's base 256, as octal ends at 8 GiB.
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = if folder { b'5' } else { b'0' };
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

//! What a disk holds, by its first bytes.
//!
//! Ours is an ext4 file system with the label `gantry-data`
//! (<https://www.kernel.org/doc/html/latest/filesystems/ext4/super.html>), or a mark that its formatting was begun.

use std::fmt;

/// How many of a disk's first bytes [`recognise`] looks at.
pub const HEAD: usize = 128 * 1024;
/// The label of the data disk.
pub const LABEL: &str = "gantry-data";
/// Begins a disk whose formatting was begun; its size in bytes follows, and a line's end.
const MARK: &str = "gantry: formatting ";
/// Where ext4 has its superblock. The bytes before it are nobody's.
const EXT4_AT: usize = 1024;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Only zeros.
    Empty,
    /// A formatting that didn't end, for that many bytes.
    Formatting(u64),
    /// The data disk.
    Gantry(Superblock),
    /// An ext file system of somebody else's.
    OtherExt(String),
    /// A squashfs image.
    Squashfs,
    /// Something known by its signature.
    Known(&'static str),
    /// Something.
    Unknown,
}

/// What is of interest in an ext4 superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    blocks: u64,
    block_size: u64,
    state: u16,
    incompatible: u32,
}

impl Superblock {
    /// The file system's size.
    pub fn bytes(self) -> u64 {
        self.blocks.saturating_mul(self.block_size)
    }

    /// Whether it was unmounted, with no error noted and no journal to be replayed.
    pub fn is_clean(self) -> bool {
        const VALID: u16 = 1;
        const NEEDS_RECOVERY: u32 = 4;
        self.state == VALID && self.incompatible & NEEDS_RECOVERY == 0
    }
}

/// Names what begins with `head`.
pub fn recognise(head: &[u8]) -> Found {
    if let Some(bytes) = marked(head) {
        return Found::Formatting(bytes);
    }
    if let Some(found) = ext4(head) {
        return found;
    }
    if head.starts_with(b"hsqs") {
        return Found::Squashfs;
    }
    let known = SIGNATURES.iter().find(|(at, signature, _)| {
        head.get(*at..)
            .is_some_and(|rest| rest.starts_with(signature))
    });
    match known {
        Some((_, _, name)) => Found::Known(name),
        None if head.iter().all(|&byte| byte == 0) => Found::Empty,
        None => Found::Unknown,
    }
}

/// The bytes that mark a disk of `size` while it is formatted.
pub fn mark(size: u64) -> Vec<u8> {
    format!("{MARK}{size}\n").into_bytes()
}

/// Most telling first: an MBR's is part of many others.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"XFSB", "an XFS file system"),
    (65600, b"_BHRfS_M", "a btrfs file system"),
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)"),
    (4086, b"SWAPSPACE2", "swap space"),
    (512, b"LABELONE", "an LVM volume"),
    (0, b"QFI\xfb", "a qcow2 image"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"vhdxfile", "a VHDX image"),
    (32769, b"CD001", "an ISO 9660 image"),
    (512, b"EFI PART", "a partition table (GPT)"),
    (3, b"NTFS", "an NTFS file system"),
    (510, b"\x55\xaa", "a partition table (MBR)"),
];

fn marked(head: &[u8]) -> Option<u64> {
    let line = head.strip_prefix(MARK.as_bytes())?;
    let end = line.iter().take(24).position(|&byte| byte == b'\n')?;
    let digits = std::str::from_utf8(&line[..end]).ok()?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn ext4(head: &[u8]) -> Option<Found> {
    let block = head.get(EXT4_AT..EXT4_AT + 1024)?;
    if half(block, 0x38)? != 0xef53 {
        return None;
    }
    let label = block.get(0x78..0x88)?;
    let label: Vec<u8> = label
        .iter()
        .copied()
        .take_while(|&byte| byte != 0)
        .collect();
    if label != LABEL.as_bytes() {
        let label = String::from_utf8_lossy(&label).escape_debug().to_string();
        return Some(Found::OtherExt(label));
    }
    const SIXTY_FOUR_BIT: u32 = 0x80;
    let incompatible = word(block, 0x60)?;
    let high = if incompatible & SIXTY_FOUR_BIT == 0 {
        0
    } else {
        word(block, 0x150)?
    };
    Some(Found::Gantry(Superblock {
        blocks: u64::from(high) << 32 | u64::from(word(block, 4)?),
        // The kernel knows blocks up to 64 KiB; more is a lie.
        block_size: 1024 << word(block, 0x18)?.min(6),
        state: half(block, 0x3a)?,
        incompatible,
    }))
}

fn half(block: &[u8], at: usize) -> Option<u16> {
    let bytes = block.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn word(block: &[u8], at: usize) -> Option<u32> {
    let bytes = block.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing"),
            Self::Formatting(_) => f.write_str("a data disk that was being formatted"),
            Self::Gantry(_) => f.write_str("a data disk"),
            Self::OtherExt(label) if label.is_empty() => {
                f.write_str("an ext4 file system without a label")
            }
            Self::OtherExt(label) => write!(f, "an ext4 file system called \"{label}\""),
            Self::Squashfs => f.write_str("a squashfs image"),
            Self::Known(name) => f.write_str(name),
            Self::Unknown => f.write_str("data of an unknown kind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    fn ext(label: &str, state: u8, incompatible: u8) -> Vec<u8> {
        disk(&[
            (EXT4_AT + 4, &[0, 0, 0, 1]),
            (EXT4_AT + 0x18, &[2]),
            (EXT4_AT + 0x38, &[0x53, 0xef, state]),
            (EXT4_AT + 0x60, &[incompatible]),
            (EXT4_AT + 0x78, label.as_bytes()),
            (EXT4_AT + 0x150, &[1]),
        ])
    }

    #[test]
    fn only_zeros_are_empty() {
        assert_eq!(recognise(&disk(&[])), Found::Empty);
        assert_eq!(recognise(&disk(&[(HEAD - 1, &[1])])), Found::Unknown);
        assert_eq!(recognise(&disk(&[(700, &[1])])), Found::Unknown);
    }

    #[test]
    fn ours_is_known_by_its_label() {
        let Found::Gantry(clean) = recognise(&ext(LABEL, 1, 0x80)) else {
            panic!("not recognised")
        };
        assert!(clean.is_clean());
        assert_eq!(clean.bytes(), ((1 << 32) + (1 << 24)) * 4096);
        let Found::Gantry(small) = recognise(&ext(LABEL, 1, 0)) else {
            panic!("not recognised")
        };
        // The upper half counts only where the feature says so.
        assert_eq!(small.bytes(), (1 << 24) * 4096);
        for (state, incompatible) in [(1, 4), (0, 0), (3, 0), (2, 0)] {
            let Found::Gantry(dirty) = recognise(&ext(LABEL, state, incompatible)) else {
                panic!("not recognised")
            };
            assert!(!dirty.is_clean(), "{state} {incompatible}");
        }
        for label in ["", "home", "gantry-data2", "gantry-dat"] {
            assert_eq!(
                recognise(&ext(label, 1, 0)),
                Found::OtherExt(label.to_owned())
            );
        }
    }

    #[test]
    fn a_huge_block_size_is_no_overflow() {
        let mut head = ext(LABEL, 1, 0x80);
        head[EXT4_AT + 4..EXT4_AT + 8].fill(0xff);
        head[EXT4_AT + 0x18..EXT4_AT + 0x1c].fill(0xff);
        head[EXT4_AT + 0x150..EXT4_AT + 0x154].fill(0xff);
        let Found::Gantry(superblock) = recognise(&head) else {
            panic!("not recognised")
        };
        assert_eq!(superblock.bytes(), u64::MAX);
    }

    #[test]
    fn others_are_named() {
        for (at, signature, name) in SIGNATURES {
            assert_eq!(recognise(&disk(&[(*at, signature)])), Found::Known(name));
        }
        assert_eq!(recognise(&disk(&[(0, b"hsqs")])), Found::Squashfs);
        // A partition table's first sector says MBR, its second GPT: the second is nearer.
        let gpt = disk(&[(510, b"\x55\xaa"), (512, b"EFI PART")]);
        assert_eq!(recognise(&gpt), Found::Known("a partition table (GPT)"));
    }

    #[test]
    fn the_mark_of_formatting_is_read_back() {
        assert_eq!(
            recognise(&disk(&[(0, &mark(1 << 36))])),
            Found::Formatting(1 << 36)
        );
        // It wins over a file system that is half there.
        let mut both = ext(LABEL, 1, 0);
        both[..mark(5).len()].copy_from_slice(&mark(5));
        assert_eq!(recognise(&both), Found::Formatting(5));
        for hostile in [
            "gantry: formatting \n",
            "gantry: formatting 12",
            "gantry: formatting -1\n",
            "gantry: formatting 99999999999999999999999\n",
        ] {
            assert_eq!(
                recognise(&disk(&[(0, hostile.as_bytes())])),
                Found::Unknown,
                "{hostile}"
            );
        }
    }

    #[test]
    fn a_short_disk_is_no_panic() {
        for length in [0, 1, 4, 511, 1024, 1100, 2047] {
            assert_eq!(recognise(&vec![0; length]), Found::Empty);
        }
        assert_eq!(recognise(b"gantry: formatting "), Found::Unknown);
    }
}

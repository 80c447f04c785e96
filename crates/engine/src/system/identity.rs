//! The engine's name for itself, the same for as long as its data root lives.

use std::io;
use std::path::Path;

use rand::Rng as _;

/// Reads `<data-root>/engine-id`, making it if it isn't there or is no id: it means nothing to the engine's own state.
pub fn engine_id(data_root: &Path) -> io::Result<String> {
    let path = data_root.join("engine-id");
    match std::fs::read_to_string(&path) {
        Ok(id) if is_id(id.trim()) => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = random();
    let mut file = tempfile::NamedTempFile::new_in(data_root)?;
    io::Write::write_all(&mut file, format!("{id}\n").as_bytes())?;
    file.persist(&path).map_err(|failed| failed.error)?;
    Ok(id)
}

fn is_id(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A random UUID (version 4), as dockerd's.
fn random() -> String {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    [
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_and_a_broken_one_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let first = engine_id(dir.path()).unwrap();
        assert!(is_id(&first), "{first}");
        assert_eq!(engine_id(dir.path()).unwrap(), first);
        std::fs::write(dir.path().join("engine-id"), "x").unwrap();
        let second = engine_id(dir.path()).unwrap();
        assert!(is_id(&second) && second != first, "{second}");
    }
}

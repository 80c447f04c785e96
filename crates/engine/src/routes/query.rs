//! Values of query parameters, as Docker reads them.

use crate::error::{Error, Result};

/// A number; none where nothing is said.
pub fn number(name: &str, value: Option<&str>) -> Result<Option<i64>> {
    match value {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Error::invalid(format!(
                "invalid value for {name}: \"{}\"",
                text.escape_debug()
            ))
        }),
    }
}

/// Rows and columns, `h` and `w`.
pub fn size(
    height: Option<&str>,
    width: Option<&str>,
) -> Result<gantry_runtime::spec::ConsoleSize> {
    let side = |name: &str, value: Option<&str>| {
        let number = number(name, value)?
            .ok_or_else(|| Error::invalid(format!("invalid resize {name}: it is missing")))?;
        u16::try_from(number)
            .map_err(|_| Error::invalid(format!("invalid resize {name}: {number}")))
    };
    Ok(gantry_runtime::spec::ConsoleSize {
        height: side("height", height)?,
        width: side("width", width)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_out_of_range_are_refused() {
        let size = |h: &str, w: &str| size(Some(h), Some(w));
        assert!(size("24", "80").is_ok());
        for (h, w) in [("", "80"), ("-1", "80"), ("70000", "80"), ("x", "80")] {
            assert_eq!(size(h, w).unwrap_err().kind().status(), 400, "{h} {w}");
        }
    }
}

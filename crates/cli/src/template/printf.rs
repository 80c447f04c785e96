//! Go's `printf`, as far as formats of JSON values go: `%s %v %d %q %t %x %f %g %%` with flags, width and precision.

use serde_json::Value;

use super::value::print;
use crate::output::text::quoted;

/// Wider fields than this aren't output.
const MAX_WIDTH: usize = 4096;

/// `format` filled with `arguments`.
pub fn printf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                '0' => spec.zeros = true,
                _ => {}
            }
        }
        spec.width = number(&mut chars).unwrap_or(0).min(MAX_WIDTH);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars).unwrap_or(0).min(MAX_WIDTH));
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(verb) => match arguments.next() {
                Some(value) => out.push_str(&spec.apply(verb, value)),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
            None => out.push_str("%!(NOVERB)"),
        }
    }
    let extra: Vec<_> = arguments.map(print).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn apply(&self, verb: char, value: &Value) -> String {
        let text = match (verb, value) {
            ('s' | 'v', _) => match self.precision {
                Some(length) => print(value).chars().take(length).collect(),
                None => print(value),
            },
            ('q', _) => quoted(&print(value)),
            ('d', Value::Number(number)) => match number.as_i64() {
                Some(whole) if self.plus && whole >= 0 => format!("+{whole}"),
                Some(whole) => whole.to_string(),
                None => print(value),
            },
            ('t', Value::Bool(value)) => value.to_string(),
            ('x', Value::Number(number)) => format!("{:x}", number.as_i64().unwrap_or_default()),
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f' | 'F', Value::Number(number)) => {
                let digits = self.precision.unwrap_or(6);
                format!("{:.digits$}", number.as_f64().unwrap_or_default())
            }
            ('g' | 'e', Value::Number(number)) => number.to_string(),
            _ => format!("%!{verb}({})", print(value)),
        };
        let missing = self.width.saturating_sub(text.chars().count());
        match (self.left, self.zeros) {
            (true, _) => text + &" ".repeat(missing),
            (false, true) => "0".repeat(missing) + &text,
            (false, false) => " ".repeat(missing) + &text,
        }
    }
}

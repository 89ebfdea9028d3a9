//! Values as text: what is valid for a type, and how two are compared (kernel: `sym_string_valid()` of
//! scripts/kconfig/symbol.c, `expr_parse_string()` of expr.c, and the C library's strtoll() and strtoull()).

use std::cmp::Ordering;

use crate::model::SymbolType;

/// Whether the text is a value for the type (`sym_string_valid()` of scripts/kconfig/symbol.c).
pub fn is_valid(kind: SymbolType, text: &str) -> bool {
    match kind {
        SymbolType::String => true,
        SymbolType::Int => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let leading_zero = digits.len() > 1 && digits.starts_with('0');
            !digits.is_empty() && !leading_zero && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        SymbolType::Hex => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        SymbolType::Boolean | SymbolType::Tristate => {
            matches!(text.bytes().next(), Some(b'y' | b'Y' | b'm' | b'M' | b'n' | b'N'))
        }
        SymbolType::Unknown => false,
    }
}

/// A number as strtoll(3) reads it, saturating; the rest of the text; and whether it was out of range.
pub(crate) struct Number<'a> {
    negative: bool,
    magnitude: u64,
    overflow: bool,
    rest: &'a str,
    digits: bool,
}

impl<'a> Number<'a> {
    /// Reads what strtoll(3) and strtoull(3) read: white space, a sign, `0x` for 16 and 0, `0` for octal with 0.
    fn read(text: &'a str, base: u32) -> Number<'a> {
        let trimmed = text.trim_start_matches(|character: char| matches!(character, ' ' | '\t'..='\r'));
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let hexadecimal = unsigned
            .strip_prefix("0x")
            .or_else(|| unsigned.strip_prefix("0X"))
            .filter(|rest| rest.bytes().next().is_some_and(|byte| byte.is_ascii_hexdigit()));
        let (base, digits) = match (base, hexadecimal) {
            (0 | 16, Some(rest)) => (16, rest),
            (0, None) if unsigned.starts_with('0') => (8, unsigned),
            (0, None) => (10, unsigned),
            (base, _) => (base, unsigned),
        };
        let count = digits.bytes().take_while(|&byte| char::from(byte).is_digit(base)).count();
        let (mut magnitude, mut overflow) = (0u64, false);
        for digit in digits[..count].chars().filter_map(|character| character.to_digit(base)) {
            let next = magnitude.checked_mul(u64::from(base)).and_then(|it| it.checked_add(u64::from(digit)));
            overflow |= next.is_none();
            magnitude = next.unwrap_or(u64::MAX);
        }
        let rest = if count == 0 { text } else { &digits[count..] };
        Number { negative, magnitude, overflow, rest, digits: count > 0 }
    }

    fn signed(&self) -> (i64, bool) {
        let limit = if self.negative { 1 << 63 } else { (1 << 63) - 1 };
        if self.overflow || self.magnitude > limit {
            return (if self.negative { i64::MIN } else { i64::MAX }, true);
        }
        let number = self.magnitude as i64;
        (if self.negative { number.wrapping_neg() } else { number }, false)
    }

    fn unsigned(&self) -> (u64, bool) {
        if self.overflow {
            return (u64::MAX, true);
        }
        (if self.negative { self.magnitude.wrapping_neg() } else { self.magnitude }, false)
    }
}

/// strtoll(text, NULL, base)
pub fn to_number(text: &str, base: u32) -> i64 {
    Number::read(text, base).signed().0
}

/// strtol(text, &end, base), with what follows; `None` in its place if there was no digit.
pub(crate) fn leading_number(text: &str, base: u32) -> (i64, &str) {
    let number = Number::read(text, base);
    (number.signed().0, number.rest)
}

enum Parsed {
    Text,
    Signed(i64),
    Unsigned(u64),
}

impl Parsed {
    fn bits(&self) -> u64 {
        match self {
            Parsed::Text => 0,
            Parsed::Signed(number) => *number as u64,
            Parsed::Unsigned(number) => *number,
        }
    }
}

fn parse(text: &str, kind: SymbolType) -> Parsed {
    if kind.is_logical() {
        return Parsed::Signed(match text {
            "n" => 0,
            "m" => 1,
            "y" => 2,
            _ => -1,
        });
    }
    let base = match kind {
        SymbolType::Int => 10,
        SymbolType::Hex => 16,
        _ => 0,
    };
    let number = Number::read(text, base);
    let whole = number.rest.is_empty() && number.digits;
    let (parsed, overflow) = match kind {
        SymbolType::Hex => {
            let (value, overflow) = number.unsigned();
            (Parsed::Unsigned(value), overflow)
        }
        _ => {
            let (value, overflow) = number.signed();
            (Parsed::Signed(value), overflow)
        }
    };
    if whole && !overflow { parsed } else { Parsed::Text }
}

/// Two symbols' values, each with its type, compared as `=` and `<` compare them (`expr_calc_value()` of scripts/kconfig/expr.c).
pub fn compare(left: (&str, SymbolType), right: (&str, SymbolType)) -> Ordering {
    let as_bytes = || crate::text::encode(left.0).cmp(&crate::text::encode(right.0));
    if left.1 == SymbolType::String && right.1 == SymbolType::String {
        return as_bytes();
    }
    match (parse(left.0, left.1), parse(right.0, right.1)) {
        (Parsed::Text, _) | (_, Parsed::Text) => as_bytes(),
        (Parsed::Signed(left), Parsed::Signed(right)) => left.cmp(&right),
        (left, right) => left.bits().cmp(&right.bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_follows_the_type() {
        for (kind, good, bad) in [
            (SymbolType::Int, &["0", "-5", "10"][..], &["", "-", "010", "1a", " 1"][..]),
            (SymbolType::Hex, &["0x1f", "1F", "0X0"][..], &["0x", "", "g", "-1"][..]),
            (SymbolType::Boolean, &["y", "Yes", "n"][..], &["", "1"][..]),
        ] {
            good.iter().for_each(|text| assert!(is_valid(kind, text), "{text}"));
            bad.iter().for_each(|text| assert!(!is_valid(kind, text), "{text}"));
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_the_rest_as_text() {
        let unknown = SymbolType::Unknown;
        assert_eq!(compare(("9", SymbolType::Int), ("10", unknown)), Ordering::Less);
        assert_eq!(compare(("0x10", SymbolType::Hex), ("16", SymbolType::Int)), Ordering::Equal);
        assert_eq!(compare(("010", unknown), ("8", SymbolType::Int)), Ordering::Equal);
        assert_eq!(compare(("m", SymbolType::Tristate), ("y", SymbolType::Tristate)), Ordering::Less);
        assert_eq!(compare(("10", SymbolType::String), ("9", SymbolType::String)), Ordering::Less);
        assert_eq!(
            compare(("99999999999999999999", unknown), ("9", unknown)),
            Ordering::Equal.then(Ordering::Greater)
        );
    }

    #[test]
    fn numbers_are_read_as_the_c_library_does() {
        assert_eq!(to_number("  -12x", 10), -12);
        assert_eq!(to_number("0x", 16), 0);
        assert_eq!(to_number("9223372036854775808", 10), i64::MAX);
        assert_eq!(leading_number("10:20", 10), (10, ":20"));
        assert_eq!(leading_number(":5", 10), (0, ":5"));
    }
}

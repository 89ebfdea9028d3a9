//! Byte counts as a person reads them.

use std::fmt;

/// A number of bytes; shown in powers of 1000 with their SI names, as disks and networks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1000 {
            return write!(formatter, "{} bytes", self.0);
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let decimals = if value < 9.95 { 1 } else { 0 };
        write!(formatter, "{value:.decimals$} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, shown) in
            [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3_412_992, "3.4 MB"), (999_950, "1.0 MB")]
        {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}

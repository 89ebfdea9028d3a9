//! What changed in scripts/kconfig between kernel series, as far as a result can show it.

use std::fmt;

/// A kernel's version as far as its Kconfig language goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dialect {
    major: u32,
    minor: u32,
}

impl Dialect {
    /// The newest one known, taken where nothing says otherwise.
    pub const NEWEST: Dialect = Dialect { major: 6, minor: 18 };

    /// The dialect of the kernel series `major.minor`.
    pub const fn of(major: u32, minor: u32) -> Dialect {
        Dialect { major, minor }
    }

    /// From a kernel's version ("6.12.117", "6.1.0-rc3"), as the Makefile's KERNELVERSION has it.
    pub fn from_version(version: &str) -> Option<Dialect> {
        let mut numbers = version.split(|character: char| !character.is_ascii_digit());
        Some(Dialect { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }

    const fn from(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }

    /// Choices are plain groups of bools whose members' last user values win; before, a choice was a symbol with a
    /// (tristate) value of its own.
    pub fn plain_choices(self) -> bool {
        self.from(6, 11)
    }

    /// Equal expressions are one node whose value is kept while it holds; before, each use had nodes of its own, rewritten in
    /// place.
    pub(crate) fn shared_expressions(self) -> bool {
        self.from(6, 12)
    }

    /// Buckets of the symbol table: they give the order of everything that goes over all symbols.
    pub(crate) fn buckets(self) -> u32 {
        if self.from(6, 9) { 1 << 14 } else { 9973 }
    }

    /// Numbers without a value are 0 and 0x0; before, they were empty.
    pub fn numbers_begin_at_zero(self) -> bool {
        self.from(6, 9)
    }

    /// `depends on A if B` means A where B holds.
    pub(crate) fn has_conditional_depends(self) -> bool {
        self.from(7, 0)
    }

    /// Cycles are looked for along the menu tree; before, along the table of symbols.
    pub(crate) fn checks_by_menu(self) -> bool {
        self.from(6, 9)
    }

    /// Values are computed before those of the last build are read.
    pub(crate) fn computes_before_touching(self) -> bool {
        self.from(6, 9)
    }

    /// rustc_cfg is written.
    pub(crate) fn has_rust(self) -> bool {
        self.from(6, 1)
    }

    /// Texts in auto.conf are in quotes, with backslashes (until 5.16).
    pub(crate) fn quotes_in_auto_conf(self) -> bool {
        !self.from(5, 17)
    }

    /// Files are known by name and not by a chain of objects: places in messages differ by a line.
    pub(crate) fn shared_files(self) -> bool {
        self.from(6, 9)
    }

    /// `transitional` marks a symbol that only hands an old name's value on.
    pub(crate) fn has_transitional(self) -> bool {
        self.from(6, 18)
    }

    /// `modules` stands alone; before, it was `option modules`.
    pub(crate) fn has_bare_modules(self) -> bool {
        self.from(5, 13)
    }

    /// `.config` lines are taken exactly: `is not set` to the end, and a line without `=` is complained about.
    pub(crate) fn exact_lines(self) -> bool {
        self.from(6, 9)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(Dialect::from_version("6.12.117"), Some(Dialect::of(6, 12)));
        assert_eq!(Dialect::from_version("7.0-rc1"), Some(Dialect::of(7, 0)));
        assert_eq!(Dialect::from_version("next"), None);
        assert!(Dialect::of(6, 1) < Dialect::of(6, 12));
    }
}

//! What kind of program a file is, by its first bytes, as execve(2) goes by them.

/// So much of a file is looked at: an ELF file's headers and the name of its loader stand at its beginning.
pub(super) const HEAD: u64 = 8 << 10;
/// What execve looks at of a script (`BINPRM_BUF_SIZE` in include/uapi/linux/binfmts.h).
const LINE_MAX: usize = 256;

/// A file that is to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A script with an interpreter.
    Script {
        /// As it stands in the first line, up to a blank.
        interpreter: Box<[u8]>,
        /// Whether the first line ends with a carriage return.
        carriage_return: bool,
    },
    /// An ELF file.
    Elf {
        /// Whether it is of the 64-bit class.
        wide: bool,
        /// `e_machine`: what processor it is for (elf(5)).
        machine: u16,
        /// Its loader, where it has one.
        loader: Option<Box<[u8]>>,
    },
    /// Neither: execve answers ENOEXEC.
    Unknown,
}

impl Program {
    /// The program that begins with `head`.
    pub(super) fn of(head: &[u8]) -> Program {
        match head {
            [b'#', b'!', line @ ..] => script(&line[..line.len().min(LINE_MAX - 2)]),
            [0x7f, b'E', b'L', b'F', ..] => elf(head).unwrap_or(Program::Unknown),
            _ => Program::Unknown,
        }
    }
}

/// `load_script()` of fs/binfmt_script.c: blanks, the interpreter up to a blank, a NUL or the end of the line.
fn script(line: &[u8]) -> Program {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let rest = line.trim_ascii_start();
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | 0)).unwrap_or(rest.len());
    match &rest[..end] {
        [] => Program::Unknown,
        interpreter => Program::Script {
            interpreter: interpreter.strip_suffix(b"\r").unwrap_or(interpreter).into(),
            carriage_return: line.ends_with(b"\r"),
        },
    }
}

/// elf(5): the header, and the program header PT_INTERP.
fn elf(head: &[u8]) -> Option<Program> {
    const PT_INTERP: u64 = 3;
    let wide = match head.get(4)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let big = *head.get(5)? == 2;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    };
    let word = if wide { 8 } else { 4 };
    let machine = number(18, 2)? as u16;
    let (headers, size, count) = match wide {
        true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
        false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
    };
    let loader = (0..count).find_map(|index| {
        let at = usize::try_from(headers.checked_add(index * size)?).ok()?;
        if number(at, 4)? != PT_INTERP {
            return None;
        }
        let offset = number(at.checked_add(if wide { 8 } else { 4 })?, word)?;
        let length = number(at.checked_add(if wide { 32 } else { 16 })?, word)?;
        let start = usize::try_from(offset).ok()?;
        let name = head.get(start..start.checked_add(usize::try_from(length).ok()?)?)?;
        Some(name.split(|byte| *byte == 0).next().unwrap_or_default().into())
    });
    Some(Program::Elf { wide, machine, loader })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interpreter(text: &str) -> Option<(String, bool)> {
        match Program::of(text.as_bytes()) {
            Program::Script { interpreter, carriage_return } => {
                Some((String::from_utf8(interpreter.into()).unwrap(), carriage_return))
            }
            _ => None,
        }
    }

    #[test]
    fn a_scripts_first_line() {
        assert_eq!(interpreter("#!/bin/sh\necho"), Some(("/bin/sh".into(), false)));
        assert_eq!(interpreter("#! \t/bin/sh -e\n"), Some(("/bin/sh".into(), false)));
        assert_eq!(interpreter("#!/bin/sh"), Some(("/bin/sh".into(), false)));
        assert_eq!(interpreter("#!/bin/sh\r\n"), Some(("/bin/sh".into(), true)));
        assert_eq!(interpreter("#!/bin/sh -e\r\n"), Some(("/bin/sh".into(), true)));
        assert_eq!(interpreter("#!\n/bin/sh"), None);
        assert_eq!(interpreter("echo"), None);
        assert_eq!(interpreter(""), None);
    }

    #[test]
    fn this_tests_own_file() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let Program::Elf { wide, loader, .. } = Program::of(&own[..HEAD as usize]) else {
            panic!("no ELF file")
        };
        assert_eq!(wide, cfg!(target_pointer_width = "64"));
        assert!(std::path::Path::new(std::str::from_utf8(&loader.unwrap()).unwrap()).exists());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0_u8..3, mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if kind > 0 && bytes.len() > 6 {
                bytes[..5].copy_from_slice(&[0x7f, b'E', b'L', b'F', kind]);
            }
            Program::of(&bytes);
        }
    }
}

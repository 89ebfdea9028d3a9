//! A kernel for tests: an ELF file of a few instructions with the note that makes QEMU enter it (PVH).

/// Whether the tests that need QEMU are to be left out.
pub fn skip_referees() -> bool {
    std::env::var_os("ALLNO_SKIP_REFEREES").is_some()
}

/// What the tiny kernel does after it has said its text.
#[derive(Clone, Copy)]
pub enum Then {
    /// Resets the machine by a triple fault; QEMU ends with `-no-reboot`.
    Reset,
    /// Spins.
    Hang,
}

/// An ELF kernel that writes `text` to the first serial port.
pub fn kernel(text: &str, then: Then) -> Vec<u8> {
    const LOAD: u64 = 0x10_0000;
    const HEADERS: u64 = 64 + 2 * 56;
    let code_at = LOAD + HEADERS + 24;
    let mut code = vec![0xbe];
    code.extend(((code_at + 31) as u32).to_le_bytes()); // mov esi, text
    code.extend([0x66, 0xba, 0xf8, 0x03]); // mov dx, 0x3f8
    code.extend([0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8]); // lodsb; test; jz; out; loop
    match then {
        Then::Reset => {
            code.extend([0x0f, 0x01, 0x1d]); // lidt [six zeros]
            code.extend(((code_at + 25) as u32).to_le_bytes());
            code.push(0xcc); // int3
        }
        Then::Hang => code.extend([0xeb, 0xfe, 0, 0, 0, 0, 0, 0]), // jmp to itself
    }
    code.extend([0; 6]);
    code.extend(text.as_bytes());
    code.push(0);

    // The note: name "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), the entry's address.
    let mut note = Vec::new();
    for word in [4_u32, 8, 18, u32::from_le_bytes(*b"Xen\0")] {
        note.extend(word.to_le_bytes());
    }
    note.extend(code_at.to_le_bytes());

    let size = HEADERS + (note.len() + code.len()) as u64;
    // ELF header (elf(5)): 64 bit, little endian; executable, x86-64.
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
    for word in [code_at, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
    let mut segment = |kind: u32, offset: u64, size: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(7_u32.to_le_bytes());
        for word in [offset, LOAD + offset, LOAD + offset, size, size, 4] {
            file.extend(word.to_le_bytes());
        }
    };
    segment(1, 0, size);
    segment(4, HEADERS, note.len() as u64);
    file.extend(note);
    file.extend(code);
    file
}

//! The guest of the probe: its machine code, and the memory it starts in.

use std::arch::global_asm;

/// The port the guest reports to: the number of a step it has taken, 0xff when all are, 0x80 + step when one went wrong.
pub(super) const REPORT_PORT: u16 = 0x10;
/// Reported when all steps were taken.
pub(super) const ALL_DONE: u8 = 0xff;
/// Reported with the step's number when a step gave a wrong result.
pub(super) const WRONG: u8 = 0x80;

/// The guest's memory, from address 0.
pub(super) const MEMORY_SIZE: usize = 2 << 20;
/// Where its pieces lie.
pub(super) const PML4: u64 = 0x1000;
const PDPT: u64 = 0x2000;
const LOW_DIRECTORY: u64 = 0x3000;
const LOW_TABLE: u64 = 0x4000;
const HIGH_DIRECTORY: u64 = 0x5000;
pub(super) const GDT: u64 = 0x6000;
pub(super) const IDT: u64 = 0x7000;
pub(super) const TSS: u64 = 0x8000;
const PAGE_A: u64 = 0x9000;
const PAGE_B: u64 = 0xa000;
const KERNEL_STACK: u64 = 0x1_0000;
pub(super) const CODE: u64 = 0x2_0000;

/// Selectors, in the order that SYSCALL and SYSRET ask for (Intel SDM volume 3, 5.8.8).
pub(super) const KERNEL_CODE: u16 = 0x08;
pub(super) const KERNEL_DATA: u16 = 0x10;
pub(super) const TASK: u16 = 0x30;

// Addresses that the code below spells out: 0x9000 PAGE_A, 0x4ff8 the LOW_TABLE entry of 0x1ff000, 0x10000 KERNEL_STACK, 0x12000
// the user's stack, 0xb000 a 16-byte field, 0xc000 the FXSAVE area, 0xd000 the timer's flag.
global_asm!(
    r#"
    .pushsection .rodata.allno_probe, "a"
    .balign 16
    .global allno_probe_start
    .global allno_probe_page_fault
    .global allno_probe_timer
    .global allno_probe_end
    .code64
    .set REPORT, 0x10

allno_probe_start:
    # 1: we are here, in long mode.
    mov al, 1
    out REPORT, al

    # 2: EFER is readable and says "long mode active"; the syscall MSRs keep what is written.
    mov ecx, 0xc0000080
    rdmsr
    mov bl, 2
    test eax, 0x400
    jz 90f
    or eax, 1
    wrmsr
    mov ecx, 0xc0000081             # STAR: user selectors from 0x18, kernel from 0x08
    xor eax, eax
    mov edx, 0x00180008
    wrmsr
    mov ecx, 0xc0000084             # FMASK: interrupts off in a system call
    mov eax, 0x200
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000082             # LSTAR
    lea rax, [rip + 60f]
    xor edx, edx
    wrmsr
    mov esi, eax
    xor eax, eax
    rdmsr
    cmp eax, esi
    jne 90f
    mov ecx, 0xc0000102             # KERNEL_GS_BASE, then swapgs brings it into GS_BASE
    mov eax, 0x5000
    xor edx, edx
    wrmsr
    swapgs
    mov ecx, 0xc0000101
    rdmsr
    cmp eax, 0x5000
    jne 90f
    rdtsc
    mov al, 2
    out REPORT, al

    # 3: cmpxchg16b: once equal, once not.
    mov bl, 3
    mov r8d, 0xb000
    mov qword ptr [r8], 1
    mov qword ptr [r8 + 8], 2
    push rbx
    mov eax, 1
    mov edx, 2
    mov ebx, 3
    mov ecx, 4
    lock cmpxchg16b [r8]
    pop rbx
    jne 90f
    cmp qword ptr [r8], 3
    jne 90f
    cmp qword ptr [r8 + 8], 4
    jne 90f
    mov al, 3
    out REPORT, al

    # 4: the page at 0x1ff000 is not there; the fault's handler maps PAGE_A, which holds 0x0a.
    mov bl, 4
    xor r15d, r15d
    mov eax, dword ptr [0x1ff000]
    cmp eax, 0x0a
    jne 90f
    cmp r15d, 1
    jne 90f
    mov al, 4
    out REPORT, al

    # 5: the same page becomes PAGE_B (0x0b) by invlpg, and PAGE_A again by reloading CR3.
    mov bl, 5
    mov qword ptr [0x4ff8], 0xa007
    invlpg [0x1ff000]
    cmp dword ptr [0x1ff000], 0x0b
    jne 90f
    mov qword ptr [0x4ff8], 0x9007
    mov rax, cr3
    mov cr3, rax
    cmp dword ptr [0x1ff000], 0x0a
    jne 90f
    mov al, 5
    out REPORT, al

    # 6: user mode by iretq; its first system call comes back by sysret, its second stays.
    mov bl, 6
    xor r14d, r14d
    push 0x23
    push 0x12000
    push 0x202
    push 0x2b
    lea rax, [rip + 50f]
    push rax
    iretq
50: mov eax, 0x55
    syscall
    cmp eax, 0x66
    jne 51f
    mov eax, 0x77
    syscall
51: ud2
60: mov esp, 0x10000
    inc r14d
    cmp r14d, 2
    je 61f
    cmp eax, 0x55
    jne 90f
    mov eax, 0x66
    sysretq
61: cmp eax, 0x77
    jne 90f
    mov ax, 0x10
    mov ss, ax
    mov al, 6
    out REPORT, al

    # 7: what a register held comes back from the saved state.
    mov bl, 7
    mov eax, 0x1234
    movd xmm0, eax
    fxsave64 [0xc000]
    pxor xmm0, xmm0
    fxrstor64 [0xc000]
    movd ecx, xmm0
    cmp ecx, eax
    jne 90f
    mov al, 7
    out REPORT, al

    # 8: the local APIC's timer, one shot, divided by one; sleep until its interrupt.
    mov bl, 8
    mov edi, 0xfee00000
    mov dword ptr [rdi + 0xf0], 0x1ff
    mov dword ptr [rdi + 0x3e0], 0xb
    mov dword ptr [rdi + 0x320], 0x40
    mov dword ptr [rdi + 0x380], 100000
70: cli
    cmp dword ptr [0xd000], 0
    jne 71f
    sti
    hlt
    jmp 70b
71: mov al, 8
    out REPORT, al

    # 9: it is not an emulator that takes ages.
    mov bl, 9
    mov ecx, 5000000
80: dec ecx
    jnz 80b
    mov al, 9
    out REPORT, al
    mov al, 0xff
    out REPORT, al
    cli
99: hlt
    jmp 99b

90: mov al, bl
    or al, 0x80
    out REPORT, al
    jmp 99b

allno_probe_page_fault:
    push rax
    mov rax, cr2
    cmp rax, 0x1ff000
    jne 90b
    inc r15d
    mov qword ptr [0x4ff8], 0x9007
    pop rax
    add rsp, 8                      # the error code
    iretq

allno_probe_timer:
    push rax
    mov dword ptr [0xd000], 1
    mov eax, 0xfee00000
    mov dword ptr [rax + 0xb0], 0   # end of interrupt
    pop rax
    iretq
allno_probe_end:
    .popsection
    "#
);

unsafe extern "C" {
    static allno_probe_start: u8;
    static allno_probe_page_fault: u8;
    static allno_probe_timer: u8;
    static allno_probe_end: u8;
}

/// The machine code and, from its start, the offsets of the page fault's and the timer's handlers.
fn machine_code() -> (&'static [u8], u64, u64) {
    let start = &raw const allno_probe_start;
    let offset = |label: *const u8| label as usize - start as usize;
    let length = offset(&raw const allno_probe_end);
    // SAFETY: the four labels delimit one constant of the assembly above, in ascending order.
    let code = unsafe { std::slice::from_raw_parts(start, length) };
    (code, offset(&raw const allno_probe_page_fault) as u64, offset(&raw const allno_probe_timer) as u64)
}

/// Fills the guest's memory (of [`MEMORY_SIZE`] zeros): code, page tables, descriptors.
pub(super) fn fill(memory: &mut [u8]) {
    let (code, page_fault, timer) = machine_code();
    memory[CODE as usize..CODE as usize + code.len()].copy_from_slice(code);
    let mut put = |address: u64, value: u64| {
        memory[address as usize..address as usize + 8].copy_from_slice(&value.to_le_bytes());
    };
    fill_page_tables(&mut put);
    // Descriptors (Intel SDM volume 3, 3.4.5): present, flat; kernel code and data, user 32-bit code (never
    // used), data and 64-bit code, and the task's (8.2.3; present, 64-bit, busy).
    let flat =
        [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_fb00_0000_ffff, 0x00cf_f300_0000_ffff];
    for (index, descriptor) in flat.into_iter().chain([0x00af_fb00_0000_ffff]).enumerate() {
        put(GDT + 8 * index as u64, descriptor);
    }
    put(GDT + u64::from(TASK), 0x67 | (TSS & 0xff_ffff) << 16 | 0x8b << 40);
    // The kernel's stack for interrupts in user mode (RSP0, offset 4).
    put(TSS + 4, KERNEL_STACK);
    // Interrupt gates (6.14.1): present, type 14.
    for (vector, handler) in [(14, CODE + page_fault), (0x40, CODE + timer)] {
        let low =
            handler & 0xffff | u64::from(KERNEL_CODE) << 16 | 0x8e << 40 | (handler >> 16 & 0xffff) << 48;
        put(IDT + 16 * vector, low);
        put(IDT + 16 * vector + 8, handler >> 32);
    }
    put(PAGE_A, 0x0a);
    put(PAGE_B, 0x0b);
}

/// The first 2 MiB in pages of 4 KiB, each mapped to itself, but for the last one, which the page fault maps; and the 2 MiB with the
/// local APIC.
fn fill_page_tables(put: &mut impl FnMut(u64, u64)) {
    /// Present, writable, for user mode too.
    const OPEN: u64 = 7;
    /// A big page, not cached (PS, PCD, PWT).
    const BIG_UNCACHED: u64 = 0x98;
    put(PML4, PDPT | OPEN);
    put(PDPT, LOW_DIRECTORY | OPEN);
    put(PDPT + 3 * 8, HIGH_DIRECTORY | OPEN);
    put(LOW_DIRECTORY, LOW_TABLE | OPEN);
    for page in 0..511 {
        put(LOW_TABLE + 8 * page, page << 12 | OPEN);
    }
    const LOCAL_APIC: u64 = 0xfee0_0000;
    put(HIGH_DIRECTORY + (LOCAL_APIC >> 21 & 511) * 8, LOCAL_APIC | OPEN | BIG_UNCACHED);
}

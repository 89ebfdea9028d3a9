/* Process 1 that needs nothing but a kernel that runs programs: it writes a line, then asks for a restart. */

static long call(long number, long first, long second, long third)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
    return result;
}

#define WRITE 1    /* system call numbers of x86-64 (kernel: arch/x86/entry/syscalls/syscall_64.tbl) */
#define REBOOT 169

void _start(void)
{
    static const char line[] = "hello from process 1\n";
    call(WRITE, 1, (long)line, sizeof line - 1);
    /* LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART (kernel: include/uapi/linux/reboot.h) */
    call(REBOOT, 0xfee1dead, 672274793, 0x01234567);
    for (;;)
        ;
}

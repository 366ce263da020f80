// Preloaded into servers whose instructions valgrind counts (`benches.instructions`).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <valgrind/callgrind.h>

// For the application, which knows best when it is asked: `callgrind_control` does not find forked processes.
void count_instructions(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void dump_instructions(void) {
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS;
}

// valgrind does not know pidfd_open(2), without which no worker is forked. The descriptor that stands in for it never
// becomes readable: as if no process ended meanwhile.
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (number == SYS_pidfd_open)
        return eventfd(0, EFD_CLOEXEC);
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    return real(number, a, b, c, d, e, f);
}

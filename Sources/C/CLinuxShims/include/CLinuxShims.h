#pragma once
// What Swift cannot call itself: variadic functions, feature-gated calls, CPU hints, macros.
// One statement of logic each; anything longer is written in Swift.
//
// This header must not define _GNU_SOURCE: Swift's Glibc module is built without, and types that
// differ between the two (fd_set) make importers fail. What needs it is a function of shims.c.

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// Sleeps while `*word == expected`, at most `timeout` (relative; NULL waits for ever). Shared
/// between processes, hence not FUTEX_PRIVATE_FLAG. Returns 0, or -1 with errno.
static inline long shim_futex_wait(const uint32_t *word, uint32_t expected,
                                   const struct timespec *timeout) {
    return syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

/// Wakes at most `count` sleepers on `word`. Returns how many, or -1 with errno.
static inline long shim_futex_wake(const uint32_t *word, int count) {
    return syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/// Asks for `signal_number` when the thread that started this process ends.
static inline int shim_set_parent_death_signal(int signal_number) {
    return prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0);
}

/// How late a timed sleep of this thread may wake, in nanoseconds.
static inline int shim_set_timer_slack(unsigned long nanoseconds) {
    return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

/// A descriptor of a process (pidfd), readable once it has ended. Returns it, or -1 with errno.
static inline long shim_open_process(pid_t identifier) {
    return syscall(SYS_pidfd_open, identifier, 0);
}

/// Sends a signal to the process of a pidfd. Returns 0, or -1 with errno.
static inline long shim_signal_process(int descriptor, int signal_number) {
    return syscall(SYS_pidfd_send_signal, descriptor, signal_number, NULL, 0);
}

/// Shown by ps and /proc/PID/comm; at most 15 bytes are kept.
static inline int shim_set_process_name(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

/// CPUs this thread may run on; 0 when the kernel refused to say.
int shim_allowed_cpu_count(void);

/// Ties the calling thread to one CPU. Returns 0, or -1 with errno.
int shim_bind_to_cpu(int cpu);

/// The kernel's number of the calling thread; the main thread's equals getpid().
pid_t shim_thread_identifier(void);

/// Stores the CPU that runs the calling thread, and its NUMA node. Returns 0, or -1 with errno.
int shim_current_place(unsigned *cpu, unsigned *node);

/// A file without a name in a folder of a memory file system, readable and writable by its owner
/// only. Returns a close-on-exec descriptor, or -1 with errno.
int shim_open_unnamed(const char *folder);

/// Such as "KILL"; NULL for a number that names no signal.
const char *shim_signal_abbreviation(int signal_number);

/// Closes all descriptors from `first` on in the child. Returns 0, or an errno value.
int shim_spawn_add_close_from(posix_spawn_file_actions_t *actions, int first);

/// Tells the core that this is a spin-wait, so that its sibling thread runs.
static inline void shim_cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/// Lets other processes' shim_barrier_everywhere reach this one. Returns 0, or -1 with errno.
static inline long shim_register_for_barriers(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

/// A full memory barrier on every running thread of every registered process, and on this one.
/// Returns 0, or -1 with errno.
static inline long shim_barrier_everywhere(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

/// Keeps the compiler, not the processor, from moving memory accesses across it.
static inline void shim_compiler_fence(void) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

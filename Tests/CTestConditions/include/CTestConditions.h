#pragma once
// What a test imposes on its own process, and the kernel never lifts: call it in an exit test.

/// Makes one system call fail with `error`, for the calling thread and what it starts: as a
/// container's seccomp filter does. Returns 0, or -1 with errno.
int refuse_system_call(int number, int error);

/// Leaves the main thread the lowest of its CPUs, as taskset does. Returns that CPU, or -1.
int keep_lowest_cpu(void);

/// Numbers of the calls that the tests refuse, which differ between architectures.
extern const int system_call_set_mempolicy, system_call_get_mempolicy, system_call_mbind,
    system_call_move_pages, system_call_sched_setaffinity;

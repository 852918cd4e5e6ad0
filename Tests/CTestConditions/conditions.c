#define _GNU_SOURCE
#include "CTestConditions.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

const int system_call_set_mempolicy = SYS_set_mempolicy;
const int system_call_get_mempolicy = SYS_get_mempolicy;
const int system_call_mbind = SYS_mbind;
const int system_call_move_pages = SYS_move_pages;
const int system_call_sched_setaffinity = SYS_sched_setaffinity;

int refuse_system_call(int number, int error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int keep_lowest_cpu(void) {
    cpu_set_t set;
    if (sched_getaffinity(getpid(), sizeof set, &set) != 0) return -1;
    int lowest = 0;
    while (!CPU_ISSET(lowest, &set)) lowest++;
    CPU_ZERO(&set);
    CPU_SET(lowest, &set);
    return sched_setaffinity(getpid(), sizeof set, &set) == 0 ? lowest : -1;
}

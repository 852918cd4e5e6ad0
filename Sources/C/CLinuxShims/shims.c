#define _GNU_SOURCE
#include "CLinuxShims.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

int shim_allowed_cpu_count(void) {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
}

int shim_bind_to_cpu(int cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    return sched_setaffinity(0, sizeof only, &only);
}

pid_t shim_thread_identifier(void) { return gettid(); }

int shim_current_place(unsigned *cpu, unsigned *node) { return getcpu(cpu, node); }

int shim_open_unnamed(const char *folder) {
    return open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
}

const char *shim_signal_abbreviation(int signal_number) { return sigabbrev_np(signal_number); }

int shim_spawn_add_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

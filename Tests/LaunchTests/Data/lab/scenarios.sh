#!/usr/bin/env bash
# Runs in a guest with the four nodes of topology/8-dimm-4-node.yaml, hermes on its path. Leaves all
# it finds in a folder, for LabTests to judge: NAME.json, NAME.code, NAME.text, NAME.errors
# of each command, and what the kernel says.
#
#   scenarios.sh FOLDER_OF_TEST_DATA FOLDER_OF_RESULTS
set -u
readonly data="$1"
readonly run=(
    hermes run --topology 8-dimm-4-node --model "$data/relu-opt-3m.gguf" --ignore-eos
    --prompt "memory: the" --clock native --stall-after 120
)
cd -- "$2" || exit
export XDG_CACHE_HOME=/tmp/lab-cache

# Starts a command in the background, as `coordinator`.
start() {
    name="$1"
    shift
    "$@" --json "$name.json" >"$name.text" 2>"$name.errors" &
    coordinator="$!"
}

finish() {
    wait "$coordinator"
    echo "$?" >"$name.code"
    echo "$name: $(<"$name.code"), $(cut -d ' ' -f 1 /proc/uptime) s after boot"
}

# Waits for the first text: then every worker has loaded its weights, and generates.
await_text() {
    until [[ -s "$name.text" ]] || [[ ! -e "/proc/$coordinator/exe" ]]; do sleep 0.1; done
}

# The same, and stops the coordinator until `resume`: its workers wait for it, and none is gone
# before it was looked at, however slow that is.
hold_at_text() {
    await_text
    kill -STOP "$coordinator"
}

resume() { kill -CONT "$coordinator"; }

# Prints the process of a DIMM's worker.
worker_of() {
    local process
    for process in $(<"/proc/$coordinator/task/$coordinator/children"); do
        ! tr '\0' ' ' <"/proc/$process/cmdline" | grep -q -- "--dimm $1 " || echo "$process"
    done
}

cat /sys/devices/system/node/node?/distance >distances

start doctor hermes doctor --topology 8-dimm-4-node
finish

# Bound as asked; what the kernel says of each worker while it computes.
start bound "${run[@]}" --tokens 24
hold_at_text
for process in $(<"/proc/$coordinator/task/$coordinator/children"); do
    cat "/proc/$process/numa_maps" >"maps-$process"
    grep -E '^(Cpus|Mems)_allowed_list:' "/proc/$process/status" >"status-$process"
done
resume
finish

# The coordinator on node 3, workers on all, and rings between each two of them.
start coordinated "${run[@]}" --tokens 12 --policy.rebalance static \
    --set coordinator.binding.policy=bind --set coordinator.binding.node=3
hold_at_text
grep -h '^Cpus_allowed_list:' "/proc/$coordinator/task/"*/status | sort -u >coordinator-cpus
cat "/proc/$coordinator/numa_maps" >coordinator-maps
resume
finish

# Weights and KV cache in huge pages of a pool on every node; then node 3's pool is empty.
pool() {
    echo "$2" >"/sys/devices/system/node/node$1/hugepages/hugepages-2048kB/nr_hugepages"
}
for node in 0 1 2 3; do pool "$node" 6; done
start pooled "${run[@]}" --tokens 24 --set dimm.binding.huge_pages=hugetlbfs
hold_at_text
for process in $(<"/proc/$coordinator/task/$coordinator/children"); do
    cat "/proc/$process/numa_maps" >"pooled-maps-$process"
done
resume
finish
pool 3 0
start pool-empty "${run[@]}" --tokens 2 --set dimm.binding.huge_pages=hugetlbfs
finish
start pool-doctor hermes doctor --topology 8-dimm-4-node --model "$data/relu-opt-3m.gguf" \
    --set dimm.binding.huge_pages=hugetlbfs
finish
start pool-best-effort "${run[@]}" --tokens 2 --set dimm.binding.huge_pages=hugetlbfs \
    --binding best-effort
finish
for node in 0 1 2; do pool "$node" 0; done

# All memory from node 0, whatever the workers ask for and are told.
start pretended numactl --membind 0 \
    python3 "$data/lab/with-binding-calls.py" pretended "${run[@]}" --tokens 2
finish

# The kernel refuses.
start refused python3 "$data/lab/with-binding-calls.py" refused "${run[@]}" --tokens 2
finish

start best-effort python3 "$data/lab/with-binding-calls.py" refused \
    "${run[@]}" --tokens 2 --binding best-effort
finish

# Bound as asked, and moved behind the program's back while it computes.
start moved "${run[@]}" --tokens 24
await_text
migratepages "$(worker_of 3)" 1 2
finish

# Whoever died of a signal of the processor's, and at which address: tests show it when they fail.
dmesg | grep -E 'traps:|segfault'
exit 21

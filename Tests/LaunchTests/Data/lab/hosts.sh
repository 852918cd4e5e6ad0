#!/usr/bin/env bash
# Runs in each of two guests that are joined by a cable with RDMA in software on it, hermes on its
# path. The second runs workers for the first, which leaves all it finds in a folder for
# TwoHostTests to judge: NAME.json, NAME.code, NAME.errors of each command.
#
#   hosts.sh FOLDER_OF_TEST_DATA FOLDER_OF_RESULTS
set -u
readonly data="$1" own=10.0.7.1 other=10.0.7.2 port=7022
readonly run=(
    hermes run --topology 4-dimm --model "$data/relu-opt-3m.gguf" --ignore-eos --raw
    --prompt "memory: the" --tokens 8
)
# The first two DIMMs are here, the others there.
readonly hosts=(
    --launcher ssh --listen "$own:0" --secret-file /tmp/secret --connect-timeout 120
    --set "dimm_overrides.2.host=$other" --set "dimm_overrides.3.host=$other"
)
cd -- "$2" || exit
export XDG_CACHE_HOME=/tmp/lab-cache
(umask 077 && echo "known to both guests alone" >/tmp/secret)

say() { echo "$1, $(cut -d ' ' -f 1 /proc/uptime) s after boot"; }

try() {
    local name="$1" code=0
    shift
    "$@" >"$name.json" 2>"$name.errors" || code="$?"
    echo "$code" >"$name.code"
    say "$name: $code"
}

# Names workers and shared memory of ours that are still in this guest, once what ends has ended.
note_leftovers() {
    local tries=0 found="?"
    while ((tries++ < 50)) && [[ -n "$found" ]]; do
        sleep 0.2
        found="$(grep -slzx -- worker /proc/[0-9]*/cmdline; find /dev/shm -mindepth 1)"
    done
    echo -n "$found" >"leftovers-$HERMES_LAB_HOST.txt"
}

if [[ "$HERMES_LAB_HOST" == 2 ]]; then
    python3 "$data/lab/agent.py" "$port" workers.log
    note_leftovers
    [[ "$HERMES_TEST_LEVEL" == full ]] || exit 0
    # Waits for messages until the cable is cut.
    while true; do
        try vanished benchmarks link --transport rdma --connect "$own:7100" \
            --secret-file /tmp/secret
        grep -q "nobody listens" vanished.errors || exit 0
        sleep 0.5
    done
fi

# What follows runs on the first host. It finds ssh beside this script.
export PATH="$data/lab:$PATH"

until (exec 3<>"/dev/tcp/$other/$port") 2>/dev/null; do sleep 0.2; done
say "the other host answers"

try local "${run[@]}" --json -
try tcp "${run[@]}" "${hosts[@]}" --transport tcp --json -
try rdma "${run[@]}" "${hosts[@]}" --transport rdma --json -
try killed "${run[@]}" "${hosts[@]}" --transport rdma --json - \
    --fault kill@token=3,layer=1,step=mlp,dimm=3
try links env HERMES_TEST_LINKS=RDMA NO_COLOR=1 \
    "$(dirname -- "$(command -v hermes)")/hermes-emulatorPackageTests.xctest" \
    --testing-library swift-testing --skip traps \
    --filter 'RDMATransportTests|MessageLinkTests'

if [[ "$HERMES_TEST_LEVEL" == full ]]; then
    moving=(--policy.rebalance lpt --policy.adjustment on --tokens 24)
    try still "${run[@]}" "${moving[@]}" --json -
    try moved "${run[@]}" "${hosts[@]}" "${moving[@]}" --transport rdma --json -
fi

exec 3<>"/dev/tcp/$other/$port"
echo end >&3
exec 3>&-
note_leftovers

# This host vanishes without a word, until the other has noticed.
if [[ "$HERMES_TEST_LEVEL" == full ]]; then
    (
        sleep 10
        ip link set eth0 down
        say "cut off"
    ) &
    try cut benchmarks link --transport rdma --listen "$own:7100" --secret-file /tmp/secret \
        --sizes 64 --rounds 4000000
    for ((tries = 0; tries < 120; tries++)); do
        grep -qs "peer is gone" vanished.errors && break
        sleep 0.5
    done
fi
exit 0

#!/usr/bin/env bash
# Runs in each of two guests that are joined by a cable with RDMA in software on it: how fast links
# over TCP and RDMA are (`benchmarks link`), beside rping, ib_write_bw and ib_write_lat over the
# same device. The first guest measures and prints.
#
#   launch/lab --hosts 2 --nodes 1 --cpus 2 --timeout 1200 \
#       --script Tests/LaunchTests/Data/lab/link-speed.sh
set -u
readonly own=10.0.7.1 sizes=(64 4096 65536 1048576)
(umask 077 && echo "known to both guests alone" >/tmp/secret)

# The side that connects comes again until the other is there.
insist() {
    local tries=0
    until "$@" >/tmp/output 2>&1; do
        ((++tries < 60)) || {
            cat /tmp/output >&2
            return 1
        }
        sleep 0.5
    done
}

# Runs the same program on both sides: the first waits, the second names the first.
both() {
    if [[ "$HERMES_LAB_HOST" == 1 ]]; then "$@"; else insist "$@" "$own"; fi
}

link() {
    local place="--listen"
    local command=(benchmarks link --transport "$1" --secret-file /tmp/secret --rounds 300
        --samples 5 --sizes "${sizes[@]}")
    if [[ "$HERMES_LAB_HOST" == 1 ]]; then
        "${command[@]}" "$place" "$own:$2"
    else
        insist "${command[@]}" --connect "$own:$2"
    fi
}

link tcp 7101
link rdma 7102
for size in "${sizes[@]}"; do
    count=300
    ((size < 1048576)) || count=50
    both ib_write_lat -R -F -s "$size" -n "$count" | grep -E "^ *[0-9]" &&
        echo "  (ib_write_lat, one way: bytes, iterations, least, most, typical, average, ... us)"
    both ib_write_bw -R -F -s "$size" -n "$count" --report_gbits -t 16 | grep -E "^ *[0-9]" &&
        echo "  (ib_write_bw: bytes, iterations, peak, average Gb/s, M messages/s)"
    # rping takes less than 64 KiB.
    ((size < 65536)) || continue
    took=()
    for count in 20 220; do
        start="$EPOCHREALTIME"
        if [[ "$HERMES_LAB_HOST" == 1 ]]; then
            timeout 120 rping -s -a "$own" -C "$count" -S "$size" >/tmp/output 2>&1
        else
            insist rping -c -a "$own" -C "$count" -S "$size"
        fi
        took+=("$(awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { print end - start }')")
    done
    # Both start with a wait for the other; the difference is that of 200 exchanges.
    [[ "$HERMES_LAB_HOST" == 1 ]] || awk -v size="$size" -v few="${took[0]}" -v many="${took[1]}" \
        'BEGIN { printf "rping, %d B: %.0f us an exchange (a read, a write and two messages)\n",
            size, (many - few) * 5000 }'
done
exit 0

#!/bin/sh
# Runs a command whose temporary files are kept in memory, where there is room for them:
#
#     scripts/in-memory.sh go test ./internal/cache
#
# Tests write thousands of small files, and the program waits until each is on the disk; in memory
# that takes no time. Elsewhere, and where TMPDIR is set, the command runs as it is. The folder has
# the same name each time, since the go command keeps the results of tests by their environment.
set -eu

shared=/dev/shm
dir=$shared/clipnh-test-$(id -u)
least=4194304 # kB of the file system, and twice as much of memory

# roomy reports whether shared memory has room, is this user's to write to, and runs programs.
roomy() {
    [ -z "${TMPDIR:-}" ] && [ -w "$shared" ] || return 1
    [ "$(df -Pk "$shared" | awk -v least=$least 'NR == 2 { print $1, ($4 >= least) }')" = "tmpfs 1" ] || return 1
    awk -v least=$least '$1 == "MemAvailable:" { enough = $2 >= 2 * least } END { exit !enough }' /proc/meminfo || return 1
    limit=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true) # of a container
    [ -z "$limit" ] || [ "$limit" = max ] || [ "$limit" -ge $((2 * least * 1024)) ] || return 1
    # Others pass through it, such as programs that tests run as nobody, and find no names in it.
    mkdir -p "$dir" && [ -O "$dir" ] && [ ! -L "$dir" ] && chmod 711 "$dir" || return 1
    # What tests left that were killed.
    find "$dir" -mindepth 1 -maxdepth 1 -mmin +300 -exec rm -rf {} +
    printf '#!/bin/sh\n' >"$dir/runs.$$" && chmod +x "$dir/runs.$$" && "$dir/runs.$$" 2>/dev/null
}

if roomy; then
    export TMPDIR="$dir"
fi
rm -f "$dir/runs.$$"
exec "$@"

#!/bin/sh
# Runs the tests of the kernels and of what is built on them for arm64, on any machine:
#
#     scripts/test-arm64.sh [--short | --missing]
#
# On another processor they run in QEMU's emulator of a Linux process, which Debian has
# in the package qemu-user and which is installed if this is a Debian system and the user
# is root. It executes every instruction faithfully but says nothing about speed. --short
# leaves out the tests that multiply at random sizes. --missing runs nothing, installs
# nothing and prints what is missing, if anything.
set -eu
cd "$(dirname "$0")/.."

go=${GO:-go}
emulator=qemu-aarch64
tests='./internal/kernel/... ./internal/float16 ./internal/clip ./internal/demo ./internal/omp'
skip='^$'
case "$(uname -sm)" in
"Linux aarch64" | "Darwin arm64") emulator= ;;
esac
for option in "$@"; do
    case "$option" in
    --short)
        tests='./internal/kernel/... ./internal/float16 ./internal/demo'
        skip='^(TestSgemm|TestRandomConvs|TestConvBatches)$'
        ;;
    --missing)
        [ -z "$emulator" ] || command -v "$emulator" >/dev/null || echo "$emulator"
        exit 0
        ;;
    *)
        echo "test-arm64: unknown option $option, want --short or --missing" >&2
        exit 2
        ;;
    esac
done

if [ -n "$emulator" ] && ! command -v "$emulator" >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "test-arm64: $emulator is not on PATH" >&2
        echo "hint: install QEMU's user-mode emulators; on Debian, apt-get install qemu-user" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends qemu-user >/dev/null ||
        { apt-get update >/dev/null && apt-get install -y --no-install-recommends qemu-user >/dev/null; }
fi

export GOARCH=arm64 CGO_ENABLED=0
# shellcheck disable=SC2086 # each package is a word
"$go" test -vet=off -timeout 30m ${emulator:+-exec "$emulator"} -skip "$skip" $tests

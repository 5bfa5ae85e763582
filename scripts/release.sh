#!/bin/sh
# Builds clipnh for every platform into a folder, with checksums, and checks that the
# build can be reproduced:
#
#     scripts/release.sh [dist]
#
# clipnh is static, one file, and needs nothing beside it. clipnh-ort, which it starts
# for devices that ONNX Runtime runs on, opens that library when it is asked to, and is
# dynamic on Linux for that. Neither needs a C compiler. The tree must be a
# clean git checkout, so that "clipnh version" names the revision that it is from. All
# programs are built from a clone, and a second time from a clone in another folder and
# without the build cache of the first; the bytes must be equal. PLATFORMS chooses some.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
go=${GO:-go}
export CGO_ENABLED=0 GOFLAGS=-mod=readonly

cd "$root"
if [ -n "$(git status --porcelain)" ]; then
    echo "release: the tree has changes that are not committed: commit or stash them" >&2
    exit 1
fi

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
for copy in first "another copy"; do
    git clone --quiet --no-hardlinks "$root" "$scratch/$copy"
done

# build TREE FOLDER builds every platform.
build() {
    for platform in $platforms; do
        os=${platform%/*} arch=${platform#*/} end=
        [ "$os" = windows ] && end=.exe
        for program in clipnh clipnh-ort; do
            (cd "$1" && GOOS=$os GOARCH=$arch "$go" build -buildvcs=true -trimpath -ldflags="-s -w -buildid=" -o "$2/$program-$os-$arch$end" "./cmd/$program")
        done
    done
}

mkdir -p "$out" "$scratch/second"
out=$(cd "$out" && pwd)
rm -f "$out/SHA256SUMS" # it comes back once the bytes are known to be equal
echo "building into $out"
build "$scratch/first" "$out"
echo "building again from a copy, with an empty build cache"
GOCACHE=$scratch/cache
export GOCACHE
build "$scratch/another copy" "$scratch/second"

failed=
for program in "$scratch"/second/*; do
    name=${program##*/}
    if ! cmp -s "$program" "$out/$name"; then
        echo "release: $name: the second build has other bytes" >&2
        failed=yes
    fi
done
[ -z "$failed" ] || exit 1
names=$(ls "$scratch/second")
# Names have no spaces, and older programs in the folder are not of this revision.
# shellcheck disable=SC2086
(cd "$out" && sha256sum -- $names >SHA256SUMS && cat SHA256SUMS)

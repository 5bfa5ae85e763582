#!/bin/sh
# Builds everything for other platforms, and vets there the packages that have files of their own:
#
#     scripts/platforms.sh darwin/arm64 windows/amd64
#
# "make vet" looks at all that every platform has.
set -eu
cd "$(dirname "$0")/.."

go=${GO:-go}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# files prints what the packages consist of, tests too, as paths below the module's.
files() {
    "$go" list -f '{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}}
{{end}}{{range .SFiles}}{{$p}}/{{.}}
{{end}}{{range .TestGoFiles}}{{$p}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$p}}/{{.}}
{{end}}' ./... | sort
}

files >"$work/here"
for platform in "$@"; do
    export GOOS="${platform%/*}" GOARCH="${platform#*/}"
    files >"$work/there"
    own=$(comm -13 "$work/here" "$work/there" | sed -n 's|/[^/]*$||p' | sort -u)
    echo "$platform: go build ./...; go vet" $own
    "$go" build -buildvcs=false -ldflags='-s -w' ./... # linked sooner without what debuggers read
    if [ -n "$own" ]; then
        # shellcheck disable=SC2086 # each package is a word
        "$go" vet $own
    fi
done

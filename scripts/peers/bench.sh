#!/usr/bin/env bash
# Compare clipnh with ONNX Runtime and PyTorch; README.md in this folder explains.
#
#   scripts/peers/bench.sh [--help] [options of compare.py]
#
# PEERS_SCRATCH  folder for what is installed and made (default ${TMPDIR:-/tmp}/clipnh-peers; about 15 GB for the default models)
# PEERS_PYTHON   Python with PyTorch and numpy (default /usr/bin/python3, Debian's)
# ORT_VERSION    onnxruntime-node's version
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=${PEERS_SCRATCH:-${TMPDIR:-/tmp}/clipnh-peers}
python=${PEERS_PYTHON:-/usr/bin/python3}
ort=${ORT_VERSION:-1.30.0}

fail() {
	echo "bench.sh: $*" >&2
	exit 1
}

[[ $(uname -s) == Linux ]] || fail "needs Linux: memory and processor time are read from /proc"
"$python" -c 'import numpy, torch' 2>/dev/null ||
	fail "$python finds no PyTorch; install it: apt-get install python3-torch (or name another Python in PEERS_PYTHON)"

export PYTHONDONTWRITEBYTECODE=1
compare=("$python" "$here/compare.py" --scratch "$scratch")
device=
for argument in "$@"; do
	case $argument in
	-h | --help) exec "${compare[@]}" --help ;;
	--device | --device=*) device=yes ;;
	esac
done

# The npm package is a peer, and the library for --device where no other is named.
mkdir -p "$scratch"
if [[ -z $device || -z ${CLIPNH_ONNXRUNTIME-} ]]; then
	command -v node >/dev/null && command -v npm >/dev/null || fail "needs node and npm"
	mkdir -p "$scratch/node"
	package=$scratch/node/node_modules/onnxruntime-node
	if [[ $(node -p 'require(process.argv[1]).version' "$package/package.json" 2>/dev/null || true) != "$ort" ]]; then
		# The scripts would fetch libraries for graphics processors; the CPU's are in the package.
		npm install --prefix "$scratch/node" --ignore-scripts --no-audit --no-fund "onnxruntime-node@$ort" >&2
	fi
	node -e 'require(process.argv[1])' "$package" || fail "onnxruntime-node $ort does not load on this machine"
	if [[ -z ${CLIPNH_ONNXRUNTIME-} ]]; then
		CLIPNH_ONNXRUNTIME=$(find "$package/bin" -path "*/linux/$(node -p process.arch)/*" -name 'libonnxruntime.so*' | head -n 1)
		export CLIPNH_ONNXRUNTIME
	fi
fi

# The helper for --device is found beside the program that starts it. A machine without Go may
# have been given both.
if command -v go >/dev/null; then
	export CGO_ENABLED=0 # as in the Makefile
	(cd "$here" && go build -buildvcs=false -o "$scratch/ours" ./ours && go build -buildvcs=false -o "$scratch/clipnh-ort" ../../cmd/clipnh-ort)
elif [[ ! -x $scratch/ours || ! -x $scratch/clipnh-ort ]]; then
	fail "needs Go, or programs built from scripts/peers/ours and cmd/clipnh-ort in $scratch"
fi
exec "${compare[@]}" "$@"

#!/bin/sh
# Runs what clipnh writes and collects through ONNX Runtime, beside its own tower:
#
#     scripts/test-onnx.sh [--missing]
#
# Graphs of the example, of small transformers and of the sizes of RN50 and RN50x16 run in
# ONNX Runtime, and collect runs with --device ort-cpu. --missing runs nothing, fetches
# nothing and prints what is missing, if anything.
#
# Environment:
#   CLIPNH_ONNXRUNTIME   ONNX Runtime's library (default: that of npm's onnxruntime-node, which is fetched into bin)
#   CLIPNH_ONNX_PYTHON   a Python with ONNX's checker, for the graphs (default: python3, where it has one)
#   CLIPNH_TEST_DEVICES  more devices for collect, with commas, for instance webgpu. Without a graphics card, Chromium's
#                        software Vulkan serves it: VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json
set -eu
cd "$(dirname "$0")/.."

version=1.30.0
package=bin/onnxruntime-node-$version
case "$*" in
"") ;;
--missing)
	[ -n "${CLIPNH_ONNXRUNTIME-}" ] || command -v npm >/dev/null || echo npm
	exit 0
	;;
*)
	echo "test-onnx: unknown arguments $*, want none or --missing" >&2
	exit 2
	;;
esac

if [ -z "${CLIPNH_ONNXRUNTIME-}" ]; then
	if ! command -v npm >/dev/null; then
		echo "test-onnx: not run, there is no npm, which fetches ONNX Runtime, and CLIPNH_ONNXRUNTIME names no library" >&2
		exit 77
	fi
	if [ ! -d "$package/node_modules/onnxruntime-node" ]; then
		# Its scripts would fetch libraries for graphics cards; the processor's are in the package.
		if ! npm install --prefix "$package.part" --no-save --no-audit --no-fund --ignore-scripts --silent "onnxruntime-node@$version"; then
			rm -rf "$package.part"
			echo "test-onnx: not run, onnxruntime-node $version cannot be fetched" >&2
			exit 77
		fi
		mv "$package.part" "$package"
	fi
	case "$(uname -s)" in
	Linux) library=linux/*/libonnxruntime.so.1 ;;
	Darwin) library=darwin/*/libonnxruntime.1.dylib ;;
	*)
		echo "test-onnx: not run on $(uname -s); CLIPNH_ONNXRUNTIME can name a library" >&2
		exit 77
		;;
	esac
	architecture=$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
	library=$(echo "$library" | sed "s|\*|$architecture|")
	CLIPNH_ONNXRUNTIME=$(find "$PWD/$package" -path "*/$library")
	if [ ! -f "$CLIPNH_ONNXRUNTIME" ]; then
		echo "test-onnx: $package has no $library" >&2
		exit 1
	fi
fi
for python in python3 /usr/bin/python3; do # a package of Debian's is the system's Python's
	if [ -z "${CLIPNH_ONNX_PYTHON-}" ] && "$python" -c 'import onnx.checker' 2>/dev/null; then
		CLIPNH_ONNX_PYTHON=$python
	fi
done
[ -n "${CLIPNH_ONNX_PYTHON-}" ] || echo "test-onnx: without ONNX's checker, which CLIPNH_ONNX_PYTHON can name; on Debian, apt-get install python3-onnx" >&2
export CLIPNH_ONNXRUNTIME CLIPNH_ONNX_PYTHON="${CLIPNH_ONNX_PYTHON-}" CGO_ENABLED=0
exec "${GO:-go}" test -trimpath -vet=off -count=1 -timeout 30m ./internal/onnxtower ./cmd/clipnh-ort

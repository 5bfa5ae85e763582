#!/usr/bin/env bash
# Tests the pages of a report in headless Chromium: on the example, from the disk and served
# by the explorer. Arguments go to the test, for instance -run TestReport.
#
# Environment:
#   CHROMIUM     the browser (default: the first of chromium, chromium-browser, google-chrome)
#   DEMO         a folder in which "clipnh demo" was run (default: clipnh-demo, made if need be)
#   SCREENSHOTS  a folder for images of every kind of page
#   CLIPNH_SPEED unless empty, also measures a report of RN50x16's size: -run TestSpeed -v
set -euo pipefail
cd "$(dirname "$0")/.."

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$chromium" ]; then
	echo "test-browser: not run, there is no Chromium; on Debian, apt-get install chromium" >&2
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "test-browser: not run, there is no npm, which fetches axe-core; on Debian, apt-get install npm" >&2
	exit 0
fi

# The checker of accessibility, which is not kept in the repository.
axe_version=4.14.1
axe=bin/axe-core-$axe_version
if [ ! -f "$axe/node_modules/axe-core/axe.min.js" ]; then
	mkdir -p "$axe"
	if ! npm install --prefix "$axe" --no-save --no-audit --no-fund --ignore-scripts --silent "axe-core@$axe_version"; then
		echo "test-browser: not run, axe-core $axe_version cannot be fetched" >&2
		exit 0
	fi
fi

demo=${DEMO:-clipnh-demo}
[ -f "$demo/caches/word_scores.npy" ] || ./bin/clipnh demo --dir "$demo" >/dev/null
# A report with every part, in a folder of its own: the example's lacks a comparison.
(
	cd "$demo"
	"$OLDPWD/bin/clipnh" report --quiet --scores caches/val --pcs-path caches/pc0.npy --neuron-pcs-path caches/pc0_n.npy \
		--text-descs-list-path words.txt --text-descs-embeddings-path caches/words.npy --word-scores-path caches/word_scores.npy \
		--imagenet-zeroshot-path caches/classes.npy --data-path imagenet --dataset imagenet_val --model tiny-clip.pt \
		--groups-csv imagenet/attributes.csv --group-column colour --with caches/test --title "The example" --out report-full >/dev/null
)

mkdir -p "${SCREENSHOTS:=bin/screenshots}"
export CLIPNH_CHROMIUM=$chromium CLIPNH_AXE=$PWD/$axe/node_modules/axe-core/axe.min.js CLIPNH_BIN=$PWD/bin/clipnh
CLIPNH_DEMO=$(cd "$demo" && pwd) CLIPNH_SCREENSHOTS=$(cd "$SCREENSHOTS" && pwd) exec go test -tags browser -count=1 -timeout 30m ./internal/site "$@"

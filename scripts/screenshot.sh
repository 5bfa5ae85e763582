#!/usr/bin/env bash
# Draws docs/report.png, the first image of the README: the page of a pair in the example's
# report. It needs what "make test-browser" needs.
set -euo pipefail
cd "$(dirname "$0")/.."
CLIPNH_PICTURE=$PWD/docs/report.png exec scripts/test-browser.sh -run TestPicture

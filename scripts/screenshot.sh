#!/bin/sh
# Take a picture of a page as a headless Chromium shows it, to look at what we made.
# Usage: scripts/screenshot.sh PAGE.html OUT.png [WIDTH_PX=1280] [HEIGHT_PX=2000] [light|dark]
# A width below Chromium's smallest window (500 px) is reached by showing the page in a frame of that width.
set -eu
page=$(realpath "$1"); out=$(realpath -m "$2"); width=${3:-1280}; height=${4:-2000}; theme=${5:-light}
profile=$(mktemp -d); trap 'rm -rf "$profile"' EXIT
printf '<!doctype html><style>body{margin:0}iframe{border:0;display:block}</style><iframe src="file://%s" width="%s" height="%s"></iframe>' \
    "$page" "$width" "$height" > "$profile/frame.html"
scheme=1; [ "$theme" = dark ] && scheme=0
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$profile/data" --hide-scrollbars \
    --blink-settings=preferredColorScheme=$scheme --window-size="$width,$height" --screenshot="$out" \
    "file://$profile/frame.html" 2>/dev/null

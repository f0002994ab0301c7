#!/bin/sh
# Take a picture of a page as a headless Chromium shows it, to look at what we made.
# Usage: scripts/screenshot.sh PAGE.html OUT.png [WIDTH_PX=1280] [HEIGHT_PX=2000] [light|dark] [SECONDS=3]
# The page is shown in a frame, which also reaches widths below Chromium's smallest window (500 px). Beside it something is loaded
# whose answer takes some seconds: the picture is taken when all is loaded, and till then scripts have drawn what they draw, as the
# tiles of a map. (--virtual-time-budget does not wait for pictures that a script decodes.)
set -eu
page=$(realpath "$1"); out=$(realpath -m "$2"); width=${3:-1280}; height=${4:-2000}; theme=${5:-light}; seconds=${6:-3}
profile=$(mktemp -d); trap 'rm -rf "$profile"' EXIT
python3 -c 'import socket, sys, time
server = socket.create_server(("127.0.0.1", 0)); server.settimeout(60)
print(server.getsockname()[1], flush=True)
asked, _ = server.accept()
time.sleep(float(sys.argv[1]))' "$seconds" > "$profile/port" &
until [ -s "$profile/port" ]; do sleep 0.1; done
printf '<!doctype html><style>body{margin:0}iframe{border:0;display:block}</style><iframe src="file://%s" width="%s" height="%s"></iframe>
<img src="http://127.0.0.1:%s/" hidden>' "$page" "$width" "$height" "$(cat "$profile/port")" > "$profile/frame.html"
scheme=1; [ "$theme" = dark ] && scheme=0
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$profile/data" --hide-scrollbars \
    --blink-settings=preferredColorScheme=$scheme --window-size="$width,$height" --screenshot="$out" \
    "file://$profile/frame.html" 2>/dev/null

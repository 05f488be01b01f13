#!/usr/bin/env bash
# Builds the hello example twice and the static site once, shows that other tools accept the images, and runs one.
set -euo pipefail
cd "$(dirname "$0")"
metalor=$PWD/../.venv/bin/metalor
# A store of the demo's own: whatever is in yours stays as it is, and a second demo is quick.
export METALOR_STORE=$PWD/../.cache/demo-store
as_root=("$PWD/../.ci/as-root")
out=$(mktemp -d)
trap 'rm -rf "$out" 2>/dev/null || "${as_root[@]}" rm -rf "$out"' EXIT

say() { printf 'demo: %s\n' "$*"; }
run() { say "metalor $*"; "${as_root[@]}" "$metalor" "$@"; }

(cd hello && run check hello.metalor)
(cd hello && run build hello.metalor --progress plain -o "oci:$out/hello:latest")
(cd static-site && run build static-site.metalor --progress plain -o "oci:$out/site:latest")
(cd python-app && run build python-app.metalor --progress plain -o "oci:$out/app:latest")

"${as_root[@]}" skopeo inspect "oci:$out/app:latest" >"$out/inspect.json"
grep -q '"Digest"' "$out/inspect.json"
"${as_root[@]}" umoci unpack --image "$out/app:latest" "$out/bundle" >/dev/null 2>&1
test -e "$out/bundle/rootfs/app/report.py"
say "skopeo accepts the image, umoci unpacks it"

run run "oci:$out/app:latest"
(cd hello && run run hello.metalor)
(cd hello && "${as_root[@]}" "$metalor" build hello.metalor --progress plain --expect-cached >/dev/null)
say "the second build ran no step"

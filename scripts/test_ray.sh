#!/usr/bin/env bash
# Tests plugins_contrib/btc-ai-ray in an environment of its own: PYTHON makes it in FOLDER.
set -euo pipefail

python=$1 folder=$2
root=$(cd "$(dirname "$0")/.." && pwd)
package=$root/plugins_contrib/btc-ai-ray

[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder"
echo "Installing Ray and BTC-AI into $folder, apart from everything else"
if ! "$folder/bin/pip" install -qq --no-compile -c "$root/constraints.txt" -e "$root" -e "$package[dev]"; then
    echo "Ray could not be installed (pip says why above), so its tests have not run." >&2
    echo "Everything else works without it: studies run with --executor process." >&2
    exit 1
fi
cd "$package"
OMP_NUM_THREADS=1 "$folder/bin/python" -m pytest

#!/usr/bin/env bash
# Tests plugins_contrib/btc-ai-ray in an environment of its own: PYTHON makes it in FOLDER. It sees
# what PYTHON's own has (torch is large), and adds Ray and what Ray needs.
set -euo pipefail

python=$1 folder=$2
root=$(cd "$(dirname "$0")/.." && pwd)
package=$root/plugins_contrib/btc-ai-ray

here='import sysconfig; print(sysconfig.get_path("purelib"))'
seen='import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))'
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder"
"$python" -c "$seen" >"$("$folder/bin/python" -c "$here")/btc_ai_environment.pth"
echo "Installing Ray into $folder, apart from everything else"
if ! "$folder/bin/pip" install -qq --no-compile -c "$root/constraints.txt" -e "$package[dev]"; then
    echo "Ray could not be installed (pip says why above), so its tests have not run." >&2
    echo "Everything else works without it: studies run with --executor process." >&2
    exit 1
fi
cd "$package"
OMP_NUM_THREADS=1 "$folder/bin/python" -m pytest

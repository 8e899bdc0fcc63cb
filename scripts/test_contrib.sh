#!/usr/bin/env bash
# Tests packages of plugins_contrib, each installed into an environment of its own: PYTHON makes it
# in FOLDER/PACKAGE. It sees what PYTHON's own has (torch is large), and adds what the package needs,
# in the versions of the package's own constraints.txt, or of BTC-AI's. PACKAGE:EXTRA installs an extra
# too, and runs tests_EXTRA.
set -euo pipefail

python=$1 folder=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
here='import sysconfig; print(sysconfig.get_path("purelib"))'
site=$("$python" -c "$here")

for item in "$@"; do
    name=${item%%:*} extra=${item#"${item%%:*}"}
    extra=${extra#:}
    package=$root/plugins_contrib/$name environment=$folder/$name${extra:+-$extra}
    own=$environment/bin/python
    constraints=$package/constraints.txt
    [ -f "$constraints" ] || constraints=$root/constraints.txt
    [ -x "$own" ] || "$python" -m venv --without-pip "$environment"
    echo "import site; site.addsitedir('$site')" >"$("$own" -c "$here")/btc_ai_environment.pth"
    echo "Installing $item into $environment, apart from everything else"
    if ! "$python" -m pip --python "$own" install -qq --no-compile --no-build-isolation -c "$constraints" \
        "$package[dev${extra:+,$extra}]"; then
        echo "$name could not be installed (pip says why above), so its tests have not run." >&2
        echo "Everything else works without it." >&2
        exit 1
    fi
    (cd "$package" && OMP_NUM_THREADS=1 PYTHONSAFEPATH=1 "$own" -m pytest "tests${extra:+_$extra}")
done

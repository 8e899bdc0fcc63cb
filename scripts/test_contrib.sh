#!/usr/bin/env bash
# Tests packages of plugins_contrib, two at a time, each installed into an environment of its own:
# PYTHON makes it in FOLDER/PACKAGE. It sees what PYTHON's own has (torch is large), and adds what the
# package needs, in the versions of the package's own constraints.txt, or of BTC-AI's. PACKAGE:EXTRA
# installs an extra too, and runs tests_EXTRA.
set -euo pipefail

python=$1 folder=$2
shift 2
if [ $# -gt 1 ]; then
    one='said=$(bash "$@" 2>&1) && failed=0 || failed=1; printf "%s\n" "$said"; exit $failed'
    printf '%s\0' "$@" | xargs -0 -P 2 -n 1 bash -c "$one" _ "$0" "$python" "$folder"
    exit
fi

name=${1%%:*} extra=${1#"${1%%:*}"}
extra=${extra#:}
root=$(cd "$(dirname "$0")/.." && pwd)
package=$root/plugins_contrib/$name environment=$folder/$name${extra:+-$extra}
own=$environment/bin/python
constraints=$package/constraints.txt
[ -f "$constraints" ] || constraints=$root/constraints.txt

here='import sysconfig; print(sysconfig.get_path("purelib"))'
[ -x "$own" ] || "$python" -m venv --without-pip "$environment"
echo "import site; site.addsitedir('$("$python" -c "$here")')" \
    >"$("$own" -c "$here")/btc_ai_environment.pth"
echo "Installing $1 into $environment, apart from everything else"
if ! "$python" -m pip --python "$own" install -qq --no-compile --no-build-isolation \
    -c "$constraints" "$package[dev${extra:+,$extra}]"; then
    echo "$name could not be installed (pip says why above), so its tests have not run." >&2
    echo "Everything else works without it." >&2
    exit 1
fi
cd "$package"
OMP_NUM_THREADS=1 PYTHONSAFEPATH=1 "$own" -m pytest "tests${extra:+_$extra}"

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from btc_ai.api import errors, hooks
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.hosting.context import LocalContext
from btc_ai.errors import BtcAiError
from btc_ai.journal import SqliteJournal


def test_every_error_has_a_code_of_its_own() -> None:
    offered = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(one, BtcAiError) for one in offered)
    assert len({one.code for one in offered}) == len(offered)


@pytest.mark.parametrize("name", [one for one in vars(hooks) if one.startswith("btc_ai_")])
def test_every_hook_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(hooks, name))


def test_api_loads_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, btc_ai.api.hooks, btc_ai.api.journal, btc_ai.api.step, btc_ai.api.learner, "
        "btc_ai.api.market, btc_ai.api.discovery, "
        "btc_ai.daemon.app, btc_ai.daemon.children.worker;"
        "heavy = {'torch', 'pandas', 'pyarrow', 'ccxt', 'talib', 'btc_ai.learning'};"
        "print(*heavy & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/")
    )
    assert done.stdout.strip() == ""


PACKAGES = sorted((Path(__file__).parents[2] / "plugins_contrib").glob("*/btc_ai_*"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_contributed_plugins_import_what_is_stable_alone(package: Path) -> None:
    stable = ("btc_ai.api", "btc_ai.client", package.name)
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                parts = name.split(".")
                known = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
                assert not parts[0].startswith("btc_ai") or known & {*stable}, f"{file}: {name}"


def test_the_daemon_keeps_the_contract() -> None:
    from btc_ai.api import journal, service

    pairs: list[tuple[type, type]] = [
        (service.Worker, ProcessWorker), (journal.Journal, SqliteJournal),
        (service.Context, LocalContext),
    ]  # fmt: skip
    for protocol, made in pairs:
        for name, wanted in inspect.getmembers(protocol, inspect.isfunction):
            if name.startswith("_"):
                continue
            offered = inspect.signature(getattr(made, name)).parameters
            assert list(offered) == list(inspect.signature(wanted).parameters), name

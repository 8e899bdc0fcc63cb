import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Site
from tests.conftest import House

CLI = r"""
import sys, typer
from btc_ai.api.cli import command_line

sys.stderr.write("IMPORTED ")
app = typer.Typer()

@app.command()
def ask(ctx: typer.Context, word: str = "x") -> None:
    here = command_line(ctx)
    if word == "fail":
        raise OSError("it is\nbroken")
    here.say(f"{word} {here.call('able.ask')['answer']}")
"""


@pytest.fixture
def site(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Plugins that the house's commands and daemon find."""
    folder = tmp_path / "site"
    folder.mkdir()
    old = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), old])))
    return Site(folder)


def plugin(house: House, name: str) -> dict[str, object]:
    rows = house.json("plugins", "list")
    return next(one for one in rows if one["name"] == name)


def test_list_without_a_daemon_reads_the_manifests(house: House, site: Site) -> None:
    site.install("able")
    site.install("old", manifest={"api": "<1"})
    assert plugin(house, "able")["state"] == "not running"
    assert plugin(house, "old")["state"] == "refused"
    text = house.run("plugins", "list")
    assert "old: works with contract <1" in text and "A test" in text


def test_list_info_and_call(house: House, site: Site) -> None:
    site.install("able", manifest={"permissions": {"commands": ["training.runs"]}})
    assert json.loads(house.run("--quiet", "plugins", "call", "able.ask").splitlines()[0]) == {
        "answer": "able"
    }
    assert plugin(house, "able")["isolation"] == "process"
    assert plugin(house, "training")["isolation"] == "daemon"
    text = house.run("plugins", "info", "able")
    assert "able.ask (operator)" in text and "may send     training.runs" in text
    assert "training.start (operator)" in house.run("plugins", "info", "training")
    assert "there is no plugin 'abel'" in house.run("plugins", "info", "abel", code=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("able.ask", "--body", "{"), "--body is not JSON"),
        (("able.ask", "--body", "[1]"), "must be a JSON object"),
        (("able.ask", "word"), "write name=value"),
    ],
)
def test_call_refuses_what_is_no_body(house: House, arguments: tuple[str, ...], words: str) -> None:
    assert words in house.run("plugins", "call", *arguments, code=2)


def test_disabled_stays_disabled_until_it_is_enabled(house: House, site: Site) -> None:
    site.install("able")
    house.run("daemon", "start")
    house.run("plugins", "disable", "able")
    assert plugin(house, "able")["state"] == "disabled"
    assert "the plugin able is disabled" in house.run("plugins", "call", "able.ask", code=1)
    house.run("daemon", "restart")
    assert plugin(house, "able")["state"] == "disabled"
    assert "it is ready" in house.run("plugins", "enable", "able")
    house.run("plugins", "call", "able.ask")
    written = json.loads(house.config_file.read_text())
    assert written["PLUGINS"] == {"able": {"ENABLED": True}}
    assert written["BUFFER_SIZE"] == house.config["BUFFER_SIZE"]


@pytest.mark.slow
def test_a_daemon_that_does_not_answer_is_not_taken_for_none(house: House, site: Site) -> None:
    site.install("able")
    house.run("daemon", "start")
    pid = house.daemon_pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        said = house.run("plugins", "disable", "able", code=3)
        assert "did not answer daemon.status" in said and "no daemon runs" not in said
    finally:
        os.kill(pid, signal.SIGCONT)


def test_disable_without_a_daemon_and_of_nobody(house: House, site: Site) -> None:
    site.install("able")
    assert "no daemon runs" in house.run("plugins", "disable", "able")
    assert "there is no plugin 'nobody'" in house.run("plugins", "disable", "nobody", code=2)
    house.config_file.write_text("{")
    assert "is not JSON" in house.run("plugins", "enable", "able", code=1)
    assert house.config_file.read_text() == "{"


def test_a_broken_plugin_that_is_enabled_says_why(house: House, site: Site) -> None:
    site.install("bad", "1 / 0")
    house.run("daemon", "start")
    assert "bad is enabled, but broken: ZeroDivisionError" in house.run(
        "plugins", "enable", "bad", code=1
    )
    assert "ZeroDivisionError" in house.run("plugins", "list")


def test_a_sub_command_is_imported_when_it_is_run(house: House, site: Site) -> None:
    declared = {"able": {"app": "plugin_able_cli:app", "help": "Asks the able plugin"}}
    site.install("able", manifest={"cli": declared})
    (site.folder / "plugin_able_cli.py").write_text(CLI)
    text = house.run("--help")
    assert "Asks the able plugin" in text and "IMPORTED" not in text
    assert "IMPORTED" not in house.run("runs", code=3)
    assert "why able" in house.run("able", "--word", "why")
    assert "--word" in house.run("able", "--help")
    house.run("able", "--nothing", code=2)
    (said,) = house.run("--quiet", "able", "--word", "fail", code=1).splitlines()
    assert said.startswith("IMPORTED btc-ai: the command able of the plugin able failed: OSError:")
    assert "it is broken" in said and "plugin_able_cli.py:12)" in said


def test_a_sub_command_that_cannot_be_loaded_is_said(house: House, site: Site) -> None:
    declared = {
        "gone": {"app": "plugin_gone_cli:app", "help": "Is gone"},
        "status": {"app": "plugin_gone_cli:app", "help": "Takes a name that is taken"},
    }
    site.install("able", manifest={"cli": declared})
    assert "cannot be loaded: ModuleNotFoundError" in house.run("gone", code=1)
    assert "Takes a name" not in house.run("--help")
    assert "no daemon" in house.run("status", code=3)


def test_settings_are_checked_with_the_configuration(house: House, site: Site) -> None:
    model = (
        "import os, sys\nfrom pydantic import BaseModel\nfrom btc_ai.api import hookimpl\n"
        "print('hello')\nos.write(1, b'there')\n"
        "class Settings(BaseModel):\n    port: int\n"
        "@hookimpl\ndef btc_ai_settings():\n    return Settings\nplugin = sys.modules[__name__]\n"
    )
    site.install("able", model)
    site.install("bad", "1 / 0")
    house.configure(PLUGINS={"able": {"SETTINGS": {"port": "x" * 7}}, "bad": {}, "gone": {}})
    text = house.run("config", "check", code=1)
    assert "PLUGINS.able has settings to mend: SETTINGS.port" in text and "xxxxxxx" not in text
    assert "bad cannot be loaded: ZeroDivisionError" in text
    assert "PLUGINS.gone: no usable plugin" in text
    house.configure(PLUGINS={"able": {"SETTINGS": {"port": 1}}})
    assert "valid" in house.run("config", "check")


def test_a_new_plugin_passes_its_own_tests_and_runs(
    house: House, site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "made"
    house.run("plugins", "new", "sun_spots", "--output", str(folder))
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout
    (site.folder / "btc_ai_sun_spots").symlink_to(folder / "btc_ai_sun_spots")
    info = site.folder / "btc_ai_sun_spots-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: btc-ai-sun-spots\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nsun_spots = btc_ai_sun_spots:plugin")
    house.configure(PLUGINS={"sun_spots": {"SETTINGS": {"greeting": "good day"}}})
    text = house.run("plugins", "call", "sun_spots.greet", "name=Ada")
    assert '{"text": "good day, Ada"}' in text
    for args in (("sun_spots", "--output", str(folder)), ("Sun-Spots",), ("../x",)):
        house.run("plugins", "new", *args, code=2)


def test_a_new_plugin_is_well_typed_and_clean(tmp_path: Path) -> None:
    from btc_ai.cli.scaffold import write_plugin

    write_plugin("tidy", tmp_path / "made")
    for command in (
        ["ruff", "check", "--isolated", "."],
        ["ruff", "format", "--isolated", "--check", "--line-length", "100", "."],
        ["mypy", "--strict", "btc_ai_tidy"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path / "made", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

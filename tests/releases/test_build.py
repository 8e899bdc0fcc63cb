"""`btc-ai release` as docs/releasing.md walks through it, with a small checkout and real wheels."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from btc_ai.cli.app import main
from btc_ai.errors import UpdateError
from btc_ai.releases.build import Plan, build, changelog_of
from btc_ai.updates.layout import Layout
from btc_ai.updates.release import decode_release
from hatch_build import BUILT, STAMP, hash_of_sources
from tests.conftest import House
from tests.daemon.conftest import REPOSITORY
from tests.updates.network.publishing import Publisher, make_wheel, serving

Run = Callable[..., str]
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "btc-ai"
version = "0.9.0"
requires-python = ">=3.11"
dependencies = ["needed>=1"]
[tool.hatch.build.targets.wheel]
packages = ["btc_ai"]
[tool.hatch.build.hooks.custom]
"""
CHANGELOG = """# Changelog
## [Unreleased]
- Later.
## [0.9.0] - 2026-11-20
### Added
- This.
## [0.8.0]
- Before.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What BTC-AI's own checkout has that matters to a release, its build hook among it."""
    folder = tmp_path / "checkout"
    (folder / "btc_ai/history/migrations/versions").mkdir(parents=True)
    (folder / "btc_ai/__init__.py").write_text("")
    (folder / "btc_ai/journal.py").write_text("SCHEMA_VERSION = 3\n")
    for name in ("0001_first.py", "0002_second.py", "__init__.py"):
        (folder / "btc_ai/history/migrations/versions" / name).write_text("")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    (folder / "package-lock.json").write_text("{}")
    (folder / "hatch_build.py").write_text((REPOSITORY / "hatch_build.py").read_text())
    (folder / BUILT).mkdir(parents=True)
    (folder / BUILT / STAMP).write_text(hash_of_sources(folder))
    return folder


@pytest.fixture
def run(house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `btc-ai` in this process: each of its own would cost a second."""
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["btc-ai", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capfd.readouterr())
        assert (ended.value.code or 0) == code, said
        return said

    return run


def test_the_walk_through(run: Run, house: House, checkout: Path, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    wheels, keys, site = tmp_path / "wheels", publisher.folder / "keys", publisher.folder / "site"
    make_wheel(wheels, "needed", "1.1", needs="inner")
    make_wheel(wheels, "needed", "1.0", needs="inner")
    make_wheel(wheels, "inner", "2.0")
    make_wheel(wheels, "other", "3.0")
    (tmp_path / "constraints.txt").write_text("needed==1.0\n")

    assert "1.root.json, until" in run("release", "keygen", keys)
    said = run(
        "release", "build", tmp_path / "built", "--checkout", checkout, "--root",
        keys / "root.json", "--wheels", wheels, "-c", tmp_path / "constraints.txt",
        "--min-from", "0.1.0",
    )  # fmt: skip
    folder = tmp_path / "built" / "0.9.0"
    assert f"built {folder}: 3 wheels" in said
    release = decode_release((folder / "release.json").read_bytes())
    assert [one.filename.partition("-py3")[0] for one in release.wheels] == [
        "btc_ai-0.9.0", "inner-2.0", "needed-1.0",
    ]  # fmt: skip
    assert release.state == {"history": 2, "journal": 3} and release.min_from == "0.1.0"
    assert (release.released, release.python) == ("2026-11-20", ">=3.11")
    assert release.changelog == "### Added\n- This.\n"
    with zipfile.ZipFile(folder / "wheels" / release.wheels[0].filename) as archive:
        assert archive.read("btc_ai/updates/root.json") == (keys / "root.json").read_bytes()

    assert "signed 0.9.0;" in run("release", "sign", site, folder, "--keys", keys)
    assert "state 1 is offered" in run("release", "publish", site, "--keys", keys)
    assert "confirmed until" in run("release", "refresh", site, "--keys", keys)
    with serving(publisher, Layout(tmp_path / "machine")) as served:
        house.configure(UPDATE_SYSTEM=served.settings)
        _update(run)
    assert "wrote" in run("release", "keygen", keys, "--rotate", "timestamp")
    assert "0.9.0 is withdrawn" in run("release", "sign", site, "--yank", "0.9.0", "--keys", keys)


def _update(run: Run) -> None:
    said = run("update", "check")
    assert "0.9.0 is there; 0.1.0 is installed" in said
    assert "0.9.0 of 2026-11-20\n### Added\n- This." in said and "`btc-ai update download`" in said
    said = run("update", "check", "--version", "0.9.0")
    assert "`btc-ai update download --version 0.9.0`" in said
    said = run("update", "download")
    assert "100 % of 0.0 MiB" in said and "0.9.0 is here, verified" in said
    found = json.loads(run("update", "status", "--json"))
    assert found["staged"] == ["0.9.0"] and found["wheels"] == 3 and found["kind"] != "slots"
    assert found["last_check"]["version"] == "0.9.0"
    assert "0.9.0 was there" in run("update", "status")
    assert "nothing was updated yet" in run("update", "history")


def test_refusals_of_the_command_line(run: Run, house: House, tmp_path: Path) -> None:
    said = run("update", "check", code=1)
    assert "this build trusts no update server" in said and "TRUSTED_ROOT" in said
    assert "goes with --version" in run("update", "check", "--allow-downgrade", code=2)
    house.configure(UPDATE_SYSTEM={"ENABLED": False})
    assert "UPDATE_SYSTEM.ENABLED to true" in run("update", "download", code=1)
    assert "UPDATE_SYSTEM.ENABLED is false" in run("update", "status")
    assert "--min-from" in run("release", "build", tmp_path, "--min-from", "x", code=2)
    assert "--yank" in run(
        "release", "sign", tmp_path, tmp_path, "--yank", "1", "--keys", tmp_path, code=2
    )


def test_what_cannot_be_built(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="pip failed") as caught:
        build(Plan(checkout, wheels=tmp_path), tmp_path / "built")
    assert "needed" in str(caught.value)
    (checkout / "CHANGELOG.md").write_text("# Changelog\n")
    with pytest.raises(UpdateError, match="no section"):  # before anything is fetched
        build(Plan(checkout, wheels=tmp_path), tmp_path / "built")
    assert list((tmp_path / "built").iterdir()) == []


def test_a_version_without_words() -> None:
    assert changelog_of(CHANGELOG, "0.8.0") == ("- Before.\n", None)
    with pytest.raises(UpdateError, match=r"no section `## \[0\.7\.0\]`"):
        changelog_of(CHANGELOG, "0.7.0")


def test_the_shipped_changelog_can_be_read() -> None:
    text, _ = changelog_of((REPOSITORY / "CHANGELOG.md").read_text(), "Unreleased")
    assert json.dumps(text)

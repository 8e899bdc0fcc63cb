"""Updates of the service under a real systemd: training goes on, and a bad release is undone."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai.api.testing_daemon import QUICK
from btc_ai.cli.units import UPDATERS
from btc_ai.releases.publish import publish
from btc_ai.releases.sign import add_release
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import Progress
from tests.systemd.machine import RELEASE
from tests.systemd.updated import FIRST, ROOT, Updated, updated_service
from tests.updates.built import build
from tests.updates.network.publishing import new_publisher
from tests.updates.slots import Edit, stage

pytestmark = pytest.mark.slow

TRAIN = ("train", "--market", "sample", "--bucket", "Scalping", "--episodes", "60", "--seed", "3")
CRASH: dict[str, Edit] = {
    "btc_ai/daemon/__main__.py": lambda text: text.replace(
        "    options = parser.parse_args()\n", "    raise SystemExit('no')\n"
    )
}


@pytest.fixture(scope="module")
def updated(systemd: None, wheels: Path) -> Iterator[Updated]:
    with updated_service(wheels) as made:
        yield made


def test_training_goes_on_through_an_update_and_through_one_that_is_undone(
    updated: Updated,
) -> None:
    updated.command(*TRAIN)
    expected = updated.weights()

    updated.stage("0.2.0")
    progress = train_through(updated, "0.2.0")
    assert (progress.outcome, updated.version()) == ("good", "0.2.0"), progress
    assert updated.weights() == expected, "a run through an update ends otherwise"

    updated.lend_uv(ROOT / "current")
    updated.stage("0.3.0", CRASH)
    progress = train_through(updated, "0.3.0")
    assert (progress.outcome, updated.version()) == ("back", "0.2.0"), progress
    assert updated.weights() == expected, "a run through an update that was undone ends otherwise"
    assert updated.machine.show("ActiveState") == "active"
    log = (updated.machine.root / "var/log/btc-ai/training.log").read_text()
    assert log.count("goes on after episode") == 2, "a run was not under way at the restart"

    said = updated.command("update", "rollback")
    assert "restarting the daemon with 0.1.0\n0.1.0 is current again\n" in said
    assert updated.version() == "0.1.0" and updated.machine.show("ActiveState") == "active"


def train_through(updated: Updated, version: str) -> Progress:
    """Install a release while a run is halfway, however fast it is."""
    order = updated.begin(version)
    with updated.held(order):
        updated.command(*TRAIN, "--detach")
        updated.machine.wait_for(lambda: updated.episode() >= 1)
        worker = updated.worker()
        os.kill(worker, signal.SIGSTOP)
    try:
        updated.machine.wait_for(lambda: updated.step(order) not in ("build", "check", "trial"))
    finally:
        os.kill(worker, signal.SIGCONT)
    return updated.end(order)


def test_the_service_updates_itself_by_a_unit_of_roots(updated: Updated, tmp_path: Path) -> None:
    publisher, machine = new_publisher(tmp_path / "publisher"), updated.machine
    add_release(
        publisher.site, publisher.keys, build(updated.wheel, updated.shim, publisher, "0.4.0")
    )
    publish(publisher.site, publisher.keys)
    shutil.copytree(publisher.site.folder, machine.root / "srv/site")
    shutil.copyfile(publisher.root, machine.root / "etc/btc-ai/root.json")
    python = str(RELEASE / "bin/python")
    machine.run("systemd-run", "--unit=site", python, "-m", "http.server", "-d", "/srv/site",
                "--bind", "127.0.0.1", "8123")  # fmt: skip
    updated.lend_uv(ROOT / "current")
    settings = {"UPDATE_SERVER": "http://127.0.0.1:8123", "TRUSTED_ROOT": "/etc/btc-ai/root.json"}
    config = machine.root / "etc/btc-ai/btc_ai.json"
    before = json.loads(config.read_text())
    config.write_text(json.dumps({**before, "UPDATE_SYSTEM": settings}))
    machine.wait_for(lambda: "0.4.0" in updated.command("update", "check"))
    refused = machine.run(f"{ROOT}/current/bin/btc-ai", "plugins", "call", "update.install", code=1)
    assert "belong to root" in refused and "AUTO_UPDATE is off" in refused
    assert "AUTO_UPDATE is off" in updated.command("update", "install", "--auto")

    config.write_text(json.dumps({**before, "UPDATE_SYSTEM": {**settings, "AUTO_UPDATE": True}}))
    status = ("daemon", "status", "--json")
    machine.wait_for(lambda: '"version": "0.4.0"' in updated.command(*status, code=None))
    order = json.loads((updated.outside.state / "journal.json").read_text())["order"]
    assert (order["by"], order["managed"]) == ("auto", "system")
    assert "0.1.0 runs again at once" in updated.command("update", "rollback")
    machine.wait_for(lambda: '"version": "0.1.0"' in updated.command(*status, code=None))
    units = [f"/etc/systemd/system/{name}" for name in UPDATERS]
    assert machine.run("systemd-analyze", "verify", *units) == ""
    assert machine.show("Result", "btc-ai-autoupdate.path") == "success"


@pytest.mark.soak
def test_a_user_s_service_is_updated_by_a_unit_of_the_users(updated: Updated) -> None:
    machine, slots = updated.machine, Path("/home/bob/slots")
    machine.run("useradd", "--create-home", "bob")
    uid = machine.run("id", "-u", "bob").strip()
    here = f"XDG_RUNTIME_DIR=/run/user/{uid}"
    machine.run("install", "-d", "-o", "bob", "-g", "bob", f"/run/user/{uid}", str(slots))
    machine.run(
        "systemd-run", "--unit=bob", "-p", "User=bob", "-p", "Delegate=yes", "-p",
        "Type=notify", "-E", here, "/lib/systemd/systemd", "--user", "--unit=basic.target",
    )  # fmt: skip
    outside = Layout(machine.root / slots.relative_to("/"))
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        stage(outside, updated.wheel, updated.shim, version)
    machine.run("chown", "-R", "bob:bob", str(slots))

    def bob(*arguments: str, code: int | None = 0) -> str:
        return machine.run("env", here, *arguments, user="bob", code=code)

    def btc_ai(*arguments: str, code: int | None = 0) -> str:
        return bob(f"{slots}/current/bin/btc-ai", *arguments, code=code)

    bob(str(RELEASE / "bin/python"), "-I", "-c", FIRST, str(slots))
    config = outside.root.parent / ".config/btc-ai/btc_ai.json"
    bob("mkdir", "-p", "/home/bob/.config/btc-ai")
    config.write_text(json.dumps({**QUICK, "UPDATE_SYSTEM": {"BACKUP_BEFORE_UPDATE": False}}))
    btc_ai("service", "install", "--user", "--now")
    updated.lend_uv(slots / "current")
    said = btc_ai("update", "install", "--version", "0.2.0", "--watch", "2")
    assert "0.2.0 is good" in said
    updated.lend_uv(slots / "current")
    btc_ai("plugins", "call", "update.install", "--body", json.dumps({"version": "0.3.0"}))
    machine.wait_for(lambda: '"0.3.0"' in btc_ai("daemon", "status", "--json", code=None))
    assert "active" in bob("systemctl", "--user", "is-active", "btc-ai-update", code=None)
    said = btc_ai("service", "uninstall", "--user")
    assert "stopped an installation" in said and "not installed" in btc_ai(
        "service", "status", "--user"
    )
    assert bob("systemctl", "--user", "is-active", "btc-ai-update", code=None) == "inactive\n"
    assert "0.3.0, instead of 0.2.0" in btc_ai("update", "status"), "it is not the release's fault"

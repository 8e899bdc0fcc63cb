"""The service under a real systemd, from installation to removal, in this order."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.machine import RELEASE, Machine

pytestmark = pytest.mark.slow

CONFIG = Path("etc/btc-ai/btc_ai.json")
UNIT = Path("etc/systemd/system/btc-ai.service")
FOLDERS = {
    "MODELS_DIR": "/var/lib/btc-ai/Models",
    "DATA_DIR": "/var/lib/btc-ai/Data",
    "LOG_DIR": "/var/log/btc-ai",
    "KEYS_DIR": "/var/lib/btc-ai/Keys",
    "BACKUPS_DIR": "/var/lib/btc-ai/Backups",
}
SEND = """
import sys
from pathlib import Path
from btc_ai.bus.client import Client, NoDaemonError
try:
    with Client(Path("/run/btc-ai")) as client:
        client.call(sys.argv[1], timeout=2)
except NoDaemonError as error:
    sys.exit(str(error))
"""
WATCHDOG_S = 8


def owners(machine: Machine, *paths: str) -> list[str]:
    return machine.run("stat", "-c", "%a %U:%G", *paths).splitlines()


def configure(machine: Machine, **values: Any) -> None:
    plugins = {"blocker": {"ISOLATION": "daemon"}}
    config = {**FOLDERS, "PLUGINS": plugins, **values}
    (machine.root / CONFIG).write_text(json.dumps(config))


def send(machine: Machine, command: str, code: int = 0) -> None:
    machine.run(str(RELEASE / "bin/python"), "-c", SEND, command, code=code)


def episode(machine: Machine) -> int:
    """How many episodes the newest run has behind it."""
    return sum(int(step["episode"]) for step in machine.json("show")["steps"])


def journal(machine: Machine, *options: str) -> str:
    return machine.run("journalctl", "--no-pager", "-u", "btc-ai", "-o", "cat", *options)


@pytest.fixture(scope="module")
def service(machine: Machine) -> Iterator[Machine]:
    """The service, installed and running with a plugin that can hold it up."""
    site = next((machine.root / f".{RELEASE}/lib").glob("python*")) / "site-packages"
    package, info = site / "blocker", site / "blocker-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").write_text(Path(__file__).with_name("blocker.py").read_text())
    manifest = {"name": "blocker", "version": "1.0", "api": ">=1,<2", "description": "A test"}
    (package / "btc_ai_plugin.json").write_text(json.dumps(manifest))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: blocker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nblocker = blocker:plugin\n")
    drop_in = machine.root / f"{UNIT}.d/test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=0.2\n")
    (machine.root / CONFIG).parent.mkdir(exist_ok=True)
    configure(machine)
    machine.btc_ai("service", "install", "--now")
    machine.run("useradd", "--create-home", "--groups", "btc-ai", "alice")
    machine.run("useradd", "--create-home", "bob")
    yield machine


def test_install_and_uninstall(machine: Machine) -> None:
    refused = machine.run(
        "setpriv", "--reuid=nobody", "--clear-groups", str(RELEASE / "bin/btc-ai"),
        "service", "install", code=1,
    )  # fmt: skip
    assert "needs root" in refused and not (machine.root / UNIT).exists()
    assert not machine.json("service", "status")["installed"]
    said = machine.btc_ai("service", "install")
    assert "systemctl enable --now btc-ai" in said and f"wrote /{CONFIG}" in said
    assert "wrote" not in machine.btc_ai("service", "install")
    assert machine.run("systemd-analyze", "verify", f"/{UNIT}") == ""
    config = json.loads((machine.root / CONFIG).read_text())
    assert config.items() >= FOLDERS.items()
    assert owners(machine, "/etc/btc-ai", f"/{CONFIG}", "/var/lib/btc-ai", "/var/lib/btc-ai/Data",
                  "/var/log/btc-ai") == [
        "750 root:btc-ai", "640 root:btc-ai", "750 btc-ai:btc-ai", "2770 btc-ai:btc-ai",
        "750 btc-ai:btc-ai",
    ]  # fmt: skip
    status = machine.json("service", "status")
    assert status["installed"] and not status["enabled"] and not status["active"]
    said = machine.btc_ai("service", "uninstall")
    assert "kept /var/lib/btc-ai, /var/log/btc-ai" in said
    for path in (
        UNIT,
        CONFIG,
        Path("etc/sysusers.d/btc-ai.conf"),
        Path("etc/tmpfiles.d/btc-ai.conf"),
    ):
        assert f"removed /{path}" in said and not (machine.root / path).exists()
    assert not machine.json("service", "status")["installed"]
    assert "not installed" in machine.btc_ai("service", "uninstall")


def test_ready(service: Machine) -> None:
    status = service.json("service", "status")
    assert status["installed"] and status["enabled"] and status["active"]
    assert status["says"] == "ready" and status["restarts"] == 0 and status["since"]
    assert status["pid"] == service.json("daemon", "status")["pid"]
    assert owners(service, "/run/btc-ai", "/run/btc-ai/commands.sock", "/run/btc-ai/events.sock",
                  "/run/btc-ai/daemon.lock") == [
        "750 btc-ai:btc-ai", "660 btc-ai:btc-ai", "660 btc-ai:btc-ai", "600 btc-ai:btc-ai",
    ]  # fmt: skip
    states = {one["name"]: one["state"] for one in service.json("daemon", "status")["plugins"]}
    assert states["training"] == states["blocker"] == "ready"
    assert "systemctl restart" in service.btc_ai("daemon", "restart", code=1)


def test_group_may_use_it_and_others_may_not(service: Machine) -> None:
    assert service.json("daemon", "status", user="alice")["managed"]
    service.btc_ai("data", "sample", user="alice")
    assert owners(service, "/var/lib/btc-ai/Data/SAMPLE-USDT_5m.parquet") == ["644 alice:btc-ai"]
    # --no-autostart: without it, bob would get a daemon of his own
    assert "no daemon" in service.btc_ai("--no-autostart", "status", code=3, user="bob")
    named = ("env", "BTC_AI_RUNTIME_DIR=/run/btc-ai", str(RELEASE / "bin/btc-ai"))
    service.run(*named, "daemon", "stop", code=3, user="bob")
    knock = "import socket; socket.socket(socket.AF_UNIX).connect('/run/btc-ai/commands.sock')"
    refused = f"try:\n    {knock}\nexcept PermissionError:\n    print('refused')"
    python = str(RELEASE / "bin/python")
    assert service.run(python, "-c", refused, user="bob") == "refused\n"
    assert service.run(python, "-c", refused, user="alice") == ""
    findings = service.json("doctor", user="alice")  # which exits with 0
    assert {"MODELS_DIR is the service's to write", "DATA_DIR can be written"} <= {
        one["what"] for one in findings
    }
    service.run("cat", f"/{CONFIG}", user="alice")
    service.run("cat", f"/{CONFIG}", user="bob", code=1)


def test_journal_has_warnings_once_a_line_each(service: Machine) -> None:
    send(service, "blocker.log")
    records = [json.loads(line) for line in journal(service, "-o", "json").splitlines()]
    mine = [(one["PRIORITY"], one["MESSAGE"]) for one in records
            if one["MESSAGE"].startswith("btc_ai.blocker")]  # fmt: skip
    assert [priority for priority, _ in mine] == ["4", "3"]
    assert mine[0][1].startswith(r'btc_ai.blocker: loud\nword where="a\nb" plugin=blocker')
    assert mine[1][1].endswith(r" (ValueError: as\nplanned)")
    assert "quiet word" in (service.root / "var/log/btc-ai/btc_ai.log").read_text()


def test_reload(service: Machine) -> None:
    pid = service.show("MainPID")
    log = service.root / "var/log/btc-ai/btc_ai.log"
    configure(service, LOGGING={"LEVEL": "WARNING"}, LOG_DIR="/var/log/btc-ai/other", SEED=7)
    service.run("systemctl", "reload", "btc-ai")
    service.wait_for(lambda: service.show("StatusText") == "ready; waits for a restart: LOG_DIR")
    assert service.show("ActiveState") == "active"
    before = log.read_text()
    send(service, "blocker.log")
    assert "quiet word" not in log.read_text()[len(before) :]
    (service.root / CONFIG).write_text('{"SEEED": 1}')
    service.run("systemctl", "reload", "btc-ai")  # returns before the daemon has read anything
    service.wait_for(lambda: "refused" in service.show("StatusText"))
    assert "SEEED" in service.btc_ai("daemon", "reload", code=1)
    configure(service)
    assert service.json("daemon", "reload") == {
        "applied": ["LOGGING.LEVEL"], "next_job": ["SEED"], "restart": []
    }  # fmt: skip
    assert service.show("MainPID") == pid and service.show("NRestarts") == "0"


def test_stop_while_training_then_resume_then_the_watchdog(service: Machine) -> None:
    train = ("train", "--market", "sample", "--episodes", "100", "--detach")
    service.btc_ai(*train, user="alice")
    service.wait_for(lambda: episode(service) >= 2)
    service.run("systemctl", "stop", "btc-ai")
    assert service.show("Result") == "success", "it did not end within TimeoutStopSec"
    assert not (service.root / "run/btc-ai").exists()
    assert "systemctl start" in service.btc_ai("train", "--resume", code=1)
    service.run("systemctl", "start", "btc-ai")
    found = service.json("show", user="alice")
    assert found["state"] in ("queued", "running")
    reached = episode(service)
    assert reached >= 2
    service.wait_for(lambda: episode(service) > reached)

    pid = service.show("MainPID")
    send(service, "blocker.block", code=1)
    service.wait_for(lambda: service.show("NRestarts") == "1")
    service.wait_for(lambda: service.show("SubState") == "running")
    restarted = time.monotonic()
    assert service.show("MainPID") != pid
    said = journal(service)
    assert "Watchdog timeout" in said and "blocker/__init__.py" in said
    again = episode(service)
    assert again > reached
    service.wait_for(lambda: episode(service) > again)
    service.wait_for(lambda: time.monotonic() > restarted + WATCHDOG_S + 1)
    assert service.show("NRestarts") == "1", "the watchdog bites a daemon that is well"
    assert service.json("show")["state"] == "running"
    service.btc_ai("stop", user="alice")
    audit = (service.root / "var/log/btc-ai/btc_ai.log").read_text()
    assert 'kind=training.stop outcome=done who="uid 65534 pid ' in audit, "as security.md says"


def test_a_lost_socket_ends_in_a_restart(service: Machine) -> None:
    pid = service.show("MainPID")
    (service.root / "run/btc-ai/commands.sock").unlink()
    service.wait_for(lambda: service.show("MainPID") not in (pid, "0"))
    service.wait_for(lambda: service.show("SubState") == "running")
    assert "self-check failed" in journal(service)
    service.btc_ai("daemon", "status")


def test_start_limit(service: Machine) -> None:
    (service.root / CONFIG).write_text('{"SEEED": 1}')
    service.run("systemctl", "reset-failed", "btc-ai")
    service.run("systemctl", "restart", "btc-ai", code=1)
    service.wait_for(lambda: service.show("SubState") == "failed")
    said = journal(service, "-p", "err")
    assert "SEEED" in said
    status = service.json("service", "status")
    assert not status["active"] and status["restarts"] == 5 and status["result"] == "exit-code"
    assert "journalctl -u btc-ai" in service.btc_ai("service", "status")
    configure(service, PLUGINS={})
    service.run("systemctl", "reset-failed", "btc-ai")
    service.run("systemctl", "start", "btc-ai")
    assert service.json("service", "status")["active"]


def test_a_plugin_in_a_process_of_its_own(service: Machine) -> None:
    def blocker() -> Any:
        plugins = service.json("daemon", "status")["plugins"]
        return next(one for one in plugins if one["name"] == "blocker")

    service.wait_for(lambda: blocker()["state"] == "ready")
    assert blocker()["isolation"] == "process"
    send(service, "blocker.log")


def test_removal_keeps_what_is_the_users(service: Machine) -> None:
    said = service.btc_ai("service", "uninstall")
    assert f"kept /{CONFIG}, /var/lib/btc-ai, /var/log/btc-ai" in said
    assert service.run("systemctl", "is-active", "btc-ai", code=None).strip() == "inactive"
    assert list((service.root / "var/lib/btc-ai/Models/Scalping").iterdir())


def test_service_of_a_user(service: Machine) -> None:
    uid = service.run("id", "-u", "bob").strip()
    runtime = service.root / f"run/user/{uid}"
    runtime.mkdir(parents=True)
    os.chown(runtime, int(uid), int(uid))
    here = f"XDG_RUNTIME_DIR=/run/user/{uid}"
    service.run(
        "systemd-run", "--unit=bob", "-p", "User=bob", "-p", "Delegate=yes", "-p",
        "Type=notify", "-E", here, "/lib/systemd/systemd", "--user", "--unit=basic.target",
    )  # fmt: skip

    def bob(*arguments: str) -> str:
        return service.run("env", here, str(RELEASE / "bin/btc-ai"), *arguments, user="bob")

    bob("service", "install", "--user", "--now")
    status = json.loads(bob("service", "status", "--user", "--json"))
    assert status["enabled"] and status["active"] and status["says"] == "ready"
    assert json.loads(bob("daemon", "status", "--json"))["pid"] == status["pid"]
    assert owners(service, f"/run/user/{uid}/btc-ai/commands.sock") == ["600 bob:bob"]
    said = bob("service", "uninstall", "--user")
    assert "removed /home/bob/.config/systemd/user/btc-ai.service" in said
    assert "not installed" in bob("service", "status", "--user")
    assert "loginctl" in service.btc_ai("service", "install", "--user", code=1, user="alice")

"""`btc-ai keys` and `btc-ai --host`: a real daemon, driven over TCP as from another machine."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from btc_ai.bus.address import read_host
from btc_ai.bus.client import Client, RemoteError
from tests.bus.test_remote import free_ports
from tests.conftest import House

SAMPLE = ("train", "--market", "sample", "--bucket", "Short", "--episodes", "2")


@pytest.fixture
def open_house(house: House) -> House:
    """A house whose daemon listens on TCP, with an operator's and a viewer's key."""
    commands, events = free_ports()
    house.configure(REMOTE={"ENABLED": True, "COMMAND_PORT": commands, "EVENT_PORT": events})
    new_key(house, "ann", "operator")
    new_key(house, "eve", "viewer")
    house.run("daemon", "start")
    return house


def new_key(house: House, name: str, role: str) -> None:
    house.run("keys", "new", name, "--role", role, "--output", str(host_file(house, name)))


def host_file(house: House, name: str) -> Path:
    return house.root / f"{name}.json"


def remote(house: House, name: str, *arguments: str, code: int = 0) -> str:
    """What a command says on a machine that has a key, and nothing else of the daemon's."""
    elsewhere = house.root / "elsewhere"
    hosts = elsewhere / ".config" / "btc-ai" / "hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    if not (hosts / f"{name}.json").exists():
        (hosts / f"{name}.json").write_bytes(host_file(house, name).read_bytes())
        (hosts / f"{name}.json").chmod(0o600)
    environment = {
        key: value
        for key, value in house.environment.items()
        if key not in ("BTC_AI_CONFIG", "XDG_CONFIG_HOME")
    }
    environment |= {"HOME": str(elsewhere), "BTC_AI_RUNTIME_DIR": str(elsewhere / "run")}
    done = subprocess.run(
        [sys.executable, "-m", "btc_ai.cli.app", "--host", name, *arguments],
        env=environment, cwd=elsewhere, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert "Traceback" not in text, text
    assert done.returncode == code, text
    assert not (elsewhere / "run").exists(), "it started a daemon"
    return text


@pytest.mark.slow
def test_a_run_from_afar(open_house: House) -> None:
    text = remote(open_house, "ann", *SAMPLE)
    assert "done" in text
    run = open_house.json("runs")[0]["run"]
    for arguments in (
        ("status",), ("runs",), ("show",), ("watch",), ("daemon", "status"), ("study", "list"),
        ("transfer", "list"),
    ):  # fmt: skip
        remote(open_house, "eve", *arguments)
    assert run in remote(open_house, "eve", "show", "--history")
    assert '"position"' in remote(open_house, "eve", "predict", "--json")
    assert "role operator" in remote(open_house, "eve", *SAMPLE, code=1)
    remote(open_house, "ann", "daemon", "stop")
    open_house.wait_for(lambda: open_house.daemon_pid is None)


def test_what_is_about_this_machine_does_not_go_with_a_host(open_house: House) -> None:
    for arguments in (
        ("doctor",), ("service", "status"), ("data", "list"), ("config", "show"),
        ("keys", "list"), ("daemon", "start"),
        ("daemon", "run"), ("daemon", "restart"), ("study", "report", "--output", "x"),
    ):  # fmt: skip
        assert "does not go with --host" in remote(open_house, "ann", *arguments, code=2)
    text = open_house.run("--config", "x", "--host", "ann", "status", code=2)
    assert "exclude each other" in text


def test_a_revoked_key_and_a_closed_port_look_the_same(open_house: House) -> None:
    remote(open_house, "ann", "status")
    assert "shut out" in open_house.run("keys", "revoke", "ann")
    said = remote(open_house, "ann", "status", code=3)
    assert "btc-ai keys list" in said and "ports" in said
    remote(open_house, "eve", "status")
    open_house.run("daemon", "stop")
    assert (open_house.root / "Logs" / "error.log").read_text() == ""
    gone = remote(open_house, "eve", "status", code=3)
    assert gone.replace("eve", "ann") == said


def test_a_host_that_is_none(open_house: House, tmp_path: Path) -> None:
    assert "btc-ai keys new" in open_house.run("--host", "nobody", "status", code=1)
    file = host_file(open_house, "ann")
    file.chmod(0o644)
    assert "chmod 600" in open_house.run("--host", str(file), "status", code=1)
    file.chmod(0o600)
    good = json.loads(file.read_text())
    for change in ({"server_key": "short"}, {"command_port": "x"}, {"extra": 1}):
        file.write_text(json.dumps({**good, **change}))
        assert "no host's file" in open_house.run("--host", str(file), "status", code=1)


def test_keys_without_a_daemon(house: House) -> None:
    text = house.run("keys", "new", "ann", "--role", "viewer", "--output", f"{house.root}/a.json")
    assert "REMOTE.ENABLED" in text
    folder, file = house.root / "Keys", house.root / "a.json"
    held = json.loads(file.read_text())
    private = [folder / "server.json", folder / "clients" / "ann.json", file]
    assert {stat.S_IMODE(one.stat().st_mode) for one in private} == {0o600}
    folders = (folder, folder / "clients")
    assert {stat.S_IMODE(one.stat().st_mode) for one in folders} == {0o700}
    assert sorted(one.name for one in (folder / "clients").iterdir()) == ["ann.json"]
    assert held["secret_key"] not in "".join(one.read_text() for one in private[:2])
    [row] = house.json("keys", "list")
    assert (row["name"], row["role"], row["revoked"]) == ("ann", "viewer", None)
    secrets = {held["secret_key"], json.loads(private[0].read_text())["secret"]}
    printed = text + house.run("keys", "list") + json.dumps(row)
    assert not any(one in printed for one in secrets)
    assert house.json("keys", "revoke", "ann")["revoked"]
    assert house.json("keys", "revoke", "ann")["revoked"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("new", "../x", "--role", "viewer"), 2, "is no name of a key"),
        (("new", "a b", "--role", "viewer"), 2, "is no name of a key"),
        (("new", "ann", "--role", "root"), 2, "root"),
        (("new", "ann"), 2, "--role"),
        (
            ("new", "ann", "--role", "viewer", "--output", "/nowhere/x.json"),
            1,
            "no folder /nowhere",
        ),
        (("revoke", "nobody"), 1, "there is no key nobody"),
        (("revoke", "../server"), 1, "there is no key"),
    ],
)
def test_keys_that_cannot_be(
    house: House, arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert says in " ".join(house.run("keys", *arguments, code=code).split())
    assert house.json("keys", "list") == []


def test_keys_that_are_there(house: House) -> None:
    new_key(house, "ann", "viewer")
    again = ("keys", "new", "ann", "--role", "operator", "--output")
    assert "is there already" in house.run(*again, str(host_file(house, "ann")), code=1)
    assert "choose another name" in house.run(*again, str(host_file(house, "x")), code=1)
    assert not host_file(house, "x").exists()
    house.configure(REMOTE={"ADDRESS": "0.0.0.0"})
    one = ("keys", "new", "bob", "--role", "viewer", "--output", str(host_file(house, "bob")))
    assert "--address" in house.run(*one, code=2)
    house.run(*one, "--address", "trainer.example")
    assert read_host(host_file(house, "bob")).address == "trainer.example"
    (house.root / "Keys").chmod(0o755)
    third = ("keys", "new", "joe", "--role", "viewer", "--output", str(host_file(house, "joe")))
    assert "chmod 700" in house.run(*third, "--address", "x", code=1)


def test_a_key_that_cannot_be_told_is_not_kept(house: House) -> None:
    new_key(house, "ann", "operator")
    (house.root / "Keys/server.json").write_text("{}")
    assert "holds no key pair" in house.run("keys", "new", "bob", "--role", "viewer", code=1)
    assert [one["name"] for one in house.json("keys", "list")] == ["ann"]


def test_no_keys_no_door(house: House) -> None:
    house.configure(REMOTE={"ENABLED": True})
    assert "btc-ai keys new" in house.run("daemon", "start", code=1)


def audit(house: House) -> list[str]:
    text = (house.root / "Logs" / "btc_ai.log").read_text()
    return [line for line in text.splitlines() if " btc_ai.audit " in line]


def test_every_command_is_allowed_and_denied_by_its_role(open_house: House) -> None:
    """Nothing is done: the body is wrong, and the role is looked at first."""
    with Client(read_host(host_file(open_house, "eve"))) as client:
        told = client.call("daemon.commands")
    assert told["role"] == "viewer"
    table: dict[str, str] = told["commands"]
    assert table["training.start"] == table["daemon.stop"] == table["daemon.keys"] == "operator"
    assert table["daemon.status"] == "viewer"
    for name, role in (("eve", "viewer"), ("ann", "operator")):
        with Client(read_host(host_file(open_house, name))) as client:
            for kind, least in table.items():
                code = _code(client, kind)
                denied = role == "viewer" and least == "operator"
                assert code == ("forbidden" if denied else "bad_body"), (name, kind)
    lines = audit(open_house)
    operators = [kind for kind, least in table.items() if least == "operator"]
    for kind in operators:
        denied_line, bad = (line for line in lines if f" kind={kind} " in line)
        assert " - WARNING - " in denied_line and "outcome=forbidden" in denied_line
        assert 'who="key eve from 127.0.0.1' in denied_line
        assert " - INFO - " in bad and "outcome=bad_body" in bad and 'who="key ann' in bad
    viewers = [kind for kind, least in table.items() if least == "viewer"]
    assert not [line for line in lines for kind in viewers if f" kind={kind} " in line]


def _code(client: Client, kind: str) -> str:
    with pytest.raises(RemoteError) as caught:
        client.call(kind, {"no such field": 1})
    return caught.value.code


def test_the_audit_says_who_what_and_from_where(house: House) -> None:
    house.configure(LOGGING={"LEVEL": "ERROR"})
    house.run("daemon", "start")
    with Client(house.runtime, source="a\nforged who=root") as client:
        with pytest.raises(RemoteError):
            client.call("training.stop", {"run": "x\ny", "password": "hunter22", "list": [1]})
        client.call("daemon.ping")
        pid = os.getpid()
    [line] = audit(house)
    assert f'kind=training.stop outcome=bad_body who="uid {os.getuid()} pid {pid}" source=' in line
    assert r'source="a\nforged who=root"' in line
    assert "hunter22" not in line and r"\"password\": \"***\"" in line and "list" not in line


def test_secrets_are_not_shown(house: House) -> None:
    secret: dict[str, Any] = {
        "smtp_password": "pa55w0rd-one", "url": "https://bob:pa55w0rd-two@mail.example/x",
        "nested": {"apiToken": ["pa55w0rd-three"]}, "level": 3, "server": "mail.example",
    }  # fmt: skip
    house.configure(PLUGINS={"notify": {"SETTINGS": secret}}, LOGGING={"LEVEL": "DEBUG"})
    for shown in (house.run("config", "show"), house.run("config", "show", "--json")):
        assert "pa55w0rd" not in shown
        assert "mail.example" in shown and str(house.root / "Keys") in shown
    house.run("daemon", "start")
    with Client(house.runtime) as client:
        for text in ("pa55w0rd-one", "pa55w0rd-two", "pa55w0rd-three"):
            with pytest.raises(RemoteError):
                client.call("training.stop", {"run": f"x{text}y"})
    house.run("daemon", "stop")
    logged = (house.root / "Logs" / "btc_ai.log").read_text()
    assert "x***y" in logged and "pa55w0rd" not in logged
    house.configure(PLUGINS={"notify": {"ENABLED": "pa55w0rd", "SETTINGS": "https://a:pa55w0rd@b"}})
    wrong = house.run("config", "check", code=1)
    assert "PLUGINS.notify.SETTINGS" in wrong and "a:pa55w0rd" not in wrong

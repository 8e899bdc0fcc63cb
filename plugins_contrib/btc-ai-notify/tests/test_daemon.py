"""Through a real daemon: the end of a run, and a broken plugin, are told by POST and mail."""

import json
from pathlib import Path

import pytest
from servers import free_port, http_server, smtp_server

from btc_ai.api.testing_daemon import running_daemon, wait_for


def install_broken(folder: Path) -> None:
    package, info = folder / "broken_plugin", folder / "broken_plugin-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("1 / 0\n")
    manifest = {"name": "mischief", "version": "1.0", "api": ">=1,<2", "description": "Breaks"}
    (package / "btc_ai_plugin.json").write_text(json.dumps(manifest))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nmischief = broken_plugin:plugin\n")


def test_a_run_and_a_broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_broken(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=":")
    with http_server() as web, smtp_server(password=b"hush") as post:
        settings = {
            "webhooks": [
                {"name": "web", "secret_url": f"http://127.0.0.1:{web.port}/hush"},
                {"name": "gone", "secret_url": f"http://127.0.0.1:{free_port()}/hush"},
            ],
            "emails": [
                {
                    "name": "post", "host": "127.0.0.1", "port": post.port, "security": "none",
                    "sender": "btc@example.org", "recipients": ["ada@example.org"],
                    "user": "btc", "password": "hush", "events": ["run_done"],
                }
            ],
        }  # fmt: skip
        with running_daemon(tmp_path, {"PLUGINS": {"notify": {"SETTINGS": settings}}}) as daemon:
            assert daemon.plugin("notify")["state"] == "ready"
            said = daemon.run("notify", "test", code=1)
            assert said == "web: sent\npost: sent\ngone: not sent: Connection refused\n"
            daemon.run("train", "--bucket", "Scalping", "--market", "sample", "--episodes", "1")
            wait_for(lambda: len(post.mails) == 2 and len(web.posts) == 3)
            shown = daemon.run("notify", "status")
            log = daemon.logged() + json.dumps(daemon.plugin("notify"))
    told = [json.loads(one.body) for one in web.posts[1:]]
    assert {one["event"] for one in told} == {"plugin_failed", "run_done"}
    done = next(one for one in told if one["event"] == "run_done")
    assert done["data"]["buckets"][0]["bucket"] == "Scalping"
    assert done["data"]["buckets"][0]["total_return"] is not None
    assert b"run_done" in post.mails[1][2]
    assert "web: 2 sent, 0 waiting" in shown and "post: 1 sent" in shown
    assert "gone: 0 sent" in shown and "Connection refused" in shown
    assert "hush" not in shown + log

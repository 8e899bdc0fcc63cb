"""`btc-ai logs` by the real command line, on files as they are."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import typer

from btc_ai.cli.app import main
from btc_ai.cli.logs import app
from btc_ai.logs.layout import DEFAULT, Layout
from btc_ai.logs.record import Record
from tests.conftest import House
from tests.test_config import as_nobody

Say = Callable[..., tuple[int, str, str]]
NOW = float(int(time.time()))
TRACE = 'Traceback (most recent call last):\n  File "/x.py", line {}, in f\nValueError: bad {}'
RECORDS = [
    Record(NOW - 3 * 86400, "ERROR", "btc_ai.training", "step failed", {"run": "r1"}),
    Record(NOW - 7200, "INFO", "btc_ai.daemon", "started", {"pid": 7}),
    Record(NOW - 3600, "WARNING", "btc_ai.training.worker", "slow", {"run": "r2"}),
    Record(NOW - 60, "ERROR", "btc_ai.training", "step failed", {"run": "r1"}, TRACE.format(1, 2)),
    Record(NOW - 50, "ERROR", "btc_ai.training", "step failed", {"run": "r2"}, TRACE.format(3, 4)),
    Record(NOW - 40, "CRITICAL", "btc_ai.daemon", "out of memory", {}),
]  # fmt: skip


def written(records: list[Record], log_format: str = DEFAULT) -> str:
    return "".join(f"{Layout(log_format).write(one)}\n" for one in records)


@pytest.fixture
def folder(house: House) -> Path:
    """LOG_DIR, with a log of two files."""
    made = house.root / "Logs"
    made.mkdir()
    (made / "btc_ai.log.2026-01-01").write_text(written(RECORDS[:2]))
    (made / "btc_ai.log").write_text(written(RECORDS[2:]))
    (made / "error.log").write_text(written([RECORDS[0], *RECORDS[3:]]))
    return made


@pytest.fixture
def logs(house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs the command in this process: exit code, output, errors."""
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)

    def say(*arguments: str, before: tuple[str, ...] = ()) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["btc-ai", *before, "logs", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return say


def local(record: Record) -> str:
    assert record.time is not None
    return datetime.fromtimestamp(record.time).isoformat()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [0, 1, 2, 3, 4, 5]),
        (("--level", "ERROR"), [0, 3, 4, 5]),
        (("--level", "critical"), [5]),
        (("--level", "ERROR", "--days", "2"), [3, 4, 5]),
        (("--since", "90m"), [2, 3, 4, 5]),
        (("--since", "4 days ago", "--until", "3h"), [0]),
        (("--since", local(RECORDS[4])), [4, 5]),
        (("--until", f"{datetime.fromtimestamp(NOW - 55).astimezone().isoformat()}"), [0, 1, 2, 3]),
        (("--source", "training"), None),
        (("--source", "error"), [0, 3, 4, 5]),
        (("--source", "daemon"), [1, 5]),
        (("--source", "training.worker"), [2]),
        (("--run", "r2"), [2, 4]),
        (("--grep", "bad [3-9]$"), [4]),
        (("--grep", "ValueError", "--run", "r1"), [3]),
        (("--lines", "2"), [4, 5]),
        (("--level", "ERROR", "--lines", "3"), [3, 4, 5]),
        (("--run", "r2", "-n", "1", "--context", "1"), [3, 4, 5]),
    ],
)
def test_what_is_asked_for(
    logs: Say, folder: Path, options: tuple[str, ...], expected: list[int] | None
) -> None:
    if expected is None:
        expected = [2, 3]
        (folder / "training.log").write_text(written([RECORDS[at] for at in expected]))
    assert logs(*options) == (0, written([RECORDS[at] for at in expected]), "")


def test_groups_of_records_are_divided(logs: Say, folder: Path) -> None:
    _, out, _ = logs("--grep", "step failed", "--context", "1", "--until", "45s")
    assert out == written(RECORDS)
    _, out, _ = logs("--grep", "pid|memory", "--context", "1")
    parts = [written(RECORDS[:3]), written(RECORDS[4:])]
    assert out == "--\n".join(parts)


def test_as_json_and_counted(logs: Say, folder: Path) -> None:
    (folder / "btc_ai.log.2026-01-01").write_text("\tof something before\n" + written(RECORDS[:2]))
    _, out, _ = logs("--json")
    stray, first, *_, last = [json.loads(line) for line in out.splitlines()]
    assert stray["message"] == "\tof something before" and stray["level"] == ""
    assert (
        first["run"] == "r1" and last["message"] == "out of memory" and len(out.splitlines()) == 7
    )
    assert logs("--count") == (0, "7\n", "")
    assert logs("--count", "--level", "error", "--json") == (0, '{"count": 4}\n', "")


def test_nothing_there(logs: Say, house: House) -> None:
    code, out, err = logs()
    assert code == 1 and not out and f"there is no folder {house.root}/Logs" in err
    (house.root / "Logs").mkdir()
    house.configure(LOGGING={"FILE_LOGGING": False})
    code, _, err = logs("--source", "update")
    assert code == 1 and "there is no update.log" in err and "FILE_LOGGING" in err


def test_nothing_found(logs: Say, folder: Path) -> None:
    assert logs("--run", "r9") == (0, "", "btc-ai: there is no such record\n")
    assert logs("--run", "r9", before=("--quiet",)) == (0, "", "")
    assert logs("--source", "signal", "--count")[:2] == (0, "0\n")  # a plugin that has not logged


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--level", "loud"), "--level"),
        (("--since", "last tuesday"), "'2 hours ago'"),
        (("--until", "2026-13-01"), "--until '2026-13-01' is no time"),
        (("--grep", "(a"), "is no regular expression"),
        (("--source", "trainin"), "did you mean 'training'"),
        (("--days", "2", "--since", "1h"), "exclude each other"),
        (("--count", "--follow"), "exclude each other"),
        (("--follow", "--until", "1h"), "leave out --until"),
        (("--lines", "0"), "--lines"),
        (("--lines", "1", "--count"), "--lines"),
    ],
)
def test_what_cannot_be_asked(logs: Say, folder: Path, options: tuple[str, ...], says: str) -> None:
    code, out, err = logs(*options)
    assert code == 2 and not out and says in " ".join(err.split())


def test_a_remote_daemons_logs_are_there(logs: Say, folder: Path) -> None:
    code, _, err = logs(before=("--host", "elsewhere"))
    assert code == 2 and "btc-ai logs does not go with --host" in err


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--level", "ERROR"), "%(levelname)s"), (("--since", "1h"), "%(asctime)s"),
        (("--explain",), "--source error"), (("--source", "daemon"), "%(name)s"),
    ],
)  # fmt: skip
def test_what_the_layout_does_not_tell(
    logs: Say, house: House, folder: Path, options: tuple[str, ...], field: str
) -> None:
    house.configure(LOGGING={"LOG_FORMAT": "%(message)s"})
    code, _, err = logs(*options)
    assert code == 2 and field in err


@pytest.mark.parametrize("log_format", ["json", "%(levelname).1s|%(created)f|%(name)s|%(message)s"])
def test_other_layouts(logs: Say, house: House, folder: Path, log_format: str) -> None:
    """Also just after it was changed: what was logged before is read as it was."""
    house.configure(LOGGING={"LOG_FORMAT": log_format})
    (folder / "btc_ai.log").write_text(written(RECORDS[2:], log_format))
    code, out, err = logs("--level", "ERROR", "--days", "4")
    assert (code, err) == (0, "")
    assert out == written(RECORDS[:1]) + written(RECORDS[3:], log_format)


def test_a_file_that_must_not_be_read(logs: Say, folder: Path) -> None:
    of_pytest = [path for path in folder.parents if path.name.startswith(("pytest-", "popen-"))]
    for path in (*of_pytest, folder.parent, folder, folder.parent / "btc_ai.json"):
        path.chmod(0o755)
    (folder / "btc_ai.log.2026-01-01").chmod(0)
    logs("--level", "ERROR")  # what it imports may lie where nobody else can read
    with as_nobody():
        code, out, err = logs("--level", "ERROR")
    assert code == 1 and out == written(RECORDS[3:])
    assert err.endswith("btc_ai.log.2026-01-01 cannot be read: Permission denied\n")


def test_errors_explained(logs: Say, folder: Path) -> None:
    code, out, _ = logs("--explain", "--days", "2")
    assert code == 0
    first, second = out.rstrip("\n").split("\n\n")
    assert first.startswith("2 × ERROR btc_ai.training, ") and "ValueError: bad 4" in first
    assert second.startswith("1 × CRITICAL") and "→ reduce BATCH_SIZE" in second
    _, out, _ = logs("--explain", "--json", "--source", "error")
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["count"] for one in found] == [2, 1, 1] and found[0]["todo"] is None
    assert found[0]["last"] - found[0]["first"] == pytest.approx(10, abs=0.01)


def test_every_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/logs.md").read_text()
    command = typer.main.get_command(app)
    names = [name for one in command.params for name in one.opts if "completion" not in name]
    assert "--explain" in names
    assert [name for name in names if f"`{name}" not in page] == []


def test_a_reader_that_goes_away(house: House, folder: Path) -> None:
    (folder / "btc_ai.log").write_text(written(RECORDS[2:3]) * 20_000)
    with house.popen("logs") as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == written(RECORDS[:1])
        process.stdout.close()
        assert process.stderr.read() == ""


def test_logs_load_little(house: House, folder: Path) -> None:
    script = (
        "import sys\nfrom btc_ai.cli.app import main\nsys.argv = ['btc-ai', 'logs', '--level', "
        "'ERROR']\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*{'torch', 'pandas', 'numpy', 'rich', 'zmq', 'asyncio'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=house.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


@contextmanager
def on_a_terminal(house: House, *arguments: str, **environment: str) -> Iterator[list[str]]:
    """What a person at a terminal sees."""
    master, slave = pty.openpty()
    variables = {"TERM": "xterm", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "btc_ai.cli.app", "logs", *arguments],
        stdin=slave, stdout=slave, stderr=slave, env={**house.environment, **variables},
    )  # fmt: skip
    os.close(slave)
    seen = b""
    try:
        while True:
            try:
                seen += os.read(master, 65536)
            except OSError:  # its other end is closed
                break
        yield seen.decode().replace("\r\n", "\n").splitlines()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_on_a_terminal(house: House, folder: Path) -> None:
    (folder / "btc_ai.log").write_text(written(RECORDS[3:]) + "an \x1b[2J escape\n")
    with on_a_terminal(house, "--days", "2", PAGER="sed s/^/paged/") as lines:
        text = "\n".join(lines)
    assert len(lines) == len(written(RECORDS[1:2] + RECORDS[3:]).splitlines()) + 1
    assert all(line.startswith("paged") for line in lines)
    assert "\x1b[31m" in text and "an \\x1b[2J escape" in text
    with on_a_terminal(house, "-n", "1", PAGER="", NO_COLOR="1") as lines:
        assert "\x1b" not in lines[0] and "out of memory" in lines[0]


class Following:
    """A `btc-ai logs --follow` and what it has printed."""

    def __init__(self, house: House, *options: str) -> None:
        self.process = house.popen("logs", "--follow", *options)
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text, self._out = "", self.process.stdout.fileno()

    def wait_for(self, text: str, limit: float = 20) -> float:
        """Until it has printed this, whole; the seconds it took."""
        begun = time.monotonic()
        while not self.text.endswith(text):
            assert time.monotonic() < begun + limit, self.text
            try:
                self.text += os.read(self._out, 65536).decode()
            except BlockingIOError:
                time.sleep(0.005)
        return time.monotonic() - begun

    def __enter__(self) -> "Following":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_following_through_rotation_until_interrupted(house: House, folder: Path) -> None:
    log, (first, *rest) = folder / "btc_ai.log", RECORDS[3:]
    with Following(house, "--lines", "2", "--level", "ERROR") as following:
        following.wait_for(written(RECORDS[4:]))
        for number, record in enumerate((first, *rest)):
            log.rename(folder / f"btc_ai.log.2026-01-02.{number + 1}")
            log.write_text(written([RECORDS[1], record]))
        following.wait_for(written([*RECORDS[4:], first, *rest]))
        with log.open("a") as file:
            file.write(written([first]))
        assert following.wait_for(written([*rest, first])) < 2
        following.process.send_signal(signal.SIGINT)
        assert following.process.communicate(timeout=20) == ("", "")
        assert following.process.returncode == 130


def test_following_a_log_that_is_not_there_yet(house: House) -> None:
    with Following(house, "--json", "--grep", "memory") as following:
        assert following.process.stderr
        assert "waiting for it" in following.process.stderr.readline()
        folder = house.root / "Logs"
        folder.mkdir()
        (folder / "btc_ai.log").write_text(written(RECORDS))
        following.wait_for("\n")
        assert json.loads(following.text)["message"] == "out of memory"

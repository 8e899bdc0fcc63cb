"""`btc-ai data` as a user runs it: output, exit codes, and errors without a traceback."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from btc_ai.cli.app import main


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    stdout: str
    stderr: str


class DataCommand:
    """Runs `btc-ai data …` with its own configuration and data directory."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.data_dir = folder / "Data"
        self.config = folder / "btc_ai.json"
        self.config.write_text(json.dumps({"DATA_DIR": "Data"}))
        self.patch = patch
        self.capture = capture
        patch.setenv("COLUMNS", "200")

    def __call__(self, *arguments: str | Path, code: int = 0) -> Said:
        command = ["btc-ai", "--config", str(self.config), "data", *map(str, arguments)]
        self.patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        said = Said(*self.capture.readouterr())
        assert (ended.value.code or 0) == code, said.stderr
        return said

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> DataCommand:
    return DataCommand(tmp_path, monkeypatch, capsys)


def test_real_candles_from_import_to_check(data: DataCommand, real_data: Path) -> None:
    file = real_data / "btcusdt_5m_2023.parquet"
    said = data("import", file, "--symbol", "BTC/USDT", "--interval", "5m").stdout
    assert "104,815 bars of BTC/USDT 5m, 2023-01-01 00:00 to 2023-12-30 23:50 UTC" in said
    assert "--replace" in data("import", file, "--symbol", "BTC/USDT", code=1).stderr
    (listed,) = data.json("list")
    assert (listed["bars"], listed["synthetic"]) == (104_815, False)
    (checked,) = data.json("check")
    assert checked["ok"]
    assert [finding["kind"] for finding in checked["findings"]][:1] == ["hole"]


def test_sample_is_labelled_everywhere(data: DataCommand) -> None:
    made = data.json("sample", "--bars", "2000", "--seed", "3")
    assert made["synthetic"]
    assert made["symbol"] == "SAMPLE/USDT"
    assert data.json("sample", "--bars", "2000", "--seed", "3")["sha256"] == made["sha256"]
    assert "(synthetic)" in data("sample", "--bars", "2000", "--replace").stdout
    assert "(synthetic)" in data("list").stdout
    assert "(synthetic) 5m: 2,000 bars, sound" in data("check").stdout


def test_check_and_repair_of_bad_bars(data: DataCommand, tmp_path: Path) -> None:
    rows = [f"{1_672_531_200 + 300 * n},100,101,99,100,5" for n in range(30)]
    rows[7] = rows[7].replace("101", "98")
    file = tmp_path / "dump.csv"
    file.write_text("\n".join(rows))
    notes = data("import", file, "--symbol", "X/Y").stderr
    assert "note: ohlc ×1" in notes
    said = data("check", code=1).stdout
    assert "X/Y 5m: 30 bars, cannot be used (ohlc)" in said
    assert "error: ohlc ×1" in said
    assert "2023-01-01 00:35" in said
    assert "repaired: dropped 1 ohlc" in data("check", "--repair").stdout
    assert data.json("check")[0]["bars"] == 29


def test_errors_say_what_to_do(data: DataCommand, tmp_path: Path) -> None:
    assert (
        "does not exist" in data("import", tmp_path / "none.csv", "--symbol", "X/Y", code=1).stderr
    )
    assert "--symbol" in data("import", data.config, code=2).stderr
    assert "data sample" in data("check", code=1).stderr
    assert "data sample" in data("list").stdout
    assert (
        "did you mean binance"
        in data("download", "--exchange", "binanc", "--since", "2024-01-01", code=1).stderr
    )
    data("download", "--since", "yesterday", code=2)
    data("import", code=2)


def test_corrupt_file_is_listed_and_checked_as_such(data: DataCommand) -> None:
    data("sample", "--bars", "1000")
    (path,) = data.data_dir.iterdir()
    path.write_bytes(path.read_bytes()[:500])
    assert "unreadable" in data("list").stdout
    assert "unreadable" in data.json("check", code=1)[0]["unreadable"]


def test_the_list_is_whole_on_a_narrow_terminal(
    data: DataCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    data("sample", "--bars", "1000")
    (data.data_dir / "BTC-USDT_5m.parquet").write_bytes(b"PAR1")
    monkeypatch.setenv("COLUMNS", "60")
    said = data("list").stdout
    assert "…" not in said
    assert "2024-01-04" in said
    assert "BTC-USDT_5m.parquet: unreadable" in said
    assert len(said.splitlines()) < 9


def test_bars_that_fill_no_memory(data: DataCommand) -> None:
    data("sample", "--bars", "99999999999", code=2)


@pytest.mark.parametrize("option", [("--symbol", "xx"), ("--symbol", ""), ("--interval", "7q")])
def test_options_of_no_known_form(data: DataCommand, option: tuple[str, str]) -> None:
    data("check", *option, code=2)
    data("import", "any.csv", "--symbol", "X/Y", *option, code=2)


def test_repair_that_would_leave_no_bar(data: DataCommand, tmp_path: Path) -> None:
    rows = [f"{1_672_531_200 + 300 * n},100,99,98,100,5" for n in range(5)]
    (tmp_path / "dump.csv").write_text("\n".join(rows))
    data("import", tmp_path / "dump.csv", "--symbol", "X/Y")
    assert "no bar would be left" in data("check", "--repair", code=1).stdout
    assert data.json("check", code=1)[0]["bars"] == 5


def test_data_directory_that_cannot_be_made(data: DataCommand) -> None:
    data.data_dir.write_text("in the way")
    stderr = data("sample", "--bars", "1000", code=1).stderr
    assert "cannot be written" in stderr
    assert "DATA_DIR" in stderr


def test_the_module_is_light() -> None:
    program = (
        "import sys, btc_ai.cli.data; "
        "sys.exit(str(sorted({'numpy', 'pandas', 'pyarrow', 'ccxt', 'torch'} & set(sys.modules)))"
        " if {'numpy', 'pandas', 'pyarrow', 'ccxt', 'torch'} & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_market_knows_nothing_of_torch() -> None:
    program = (
        "import sys; from btc_ai.market import checkup, download, features, importer, sample; "
        "from btc_ai.market import scaler, store, volatility; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

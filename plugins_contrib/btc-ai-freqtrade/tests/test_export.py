"""Export and live signals through a real daemon."""

import compileall
from pathlib import Path

import pytest
from btc_ai_freqtrade.live import newest_position
from btc_ai_freqtrade.signals import Signals

from btc_ai.api.errors import BtcAiError, DataError
from btc_ai.api.testing_daemon import RunningDaemon, running_daemon

SYMBOL, STEP = "SAMPLE/USDT", 300_000


def test_export_and_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = {"MIN_HORIZON": 2, "MAX_HORIZON": 24, "FEATURES": ["price", "rsi"]}
    with running_daemon(tmp_path, {"BUCKET_CONFIGS": {"Quick": bucket}}) as daemon:
        assert daemon.plugin("freqtrade")["state"] == "idle"
        daemon.run("train", "--bucket", "Quick", "--market", "sample", "--episodes", "2")
        signals = exported(daemon, tmp_path)
        agrees_with_the_daemon(daemon, signals, monkeypatch)
        refused_in_sample(daemon, tmp_path)
    with pytest.raises(BtcAiError, match="no daemon"):
        newest_position(SYMBOL, "5m", 0)


def exported(daemon: RunningDaemon, folder: Path) -> Signals:
    path = folder / "signals.parquet"
    said = daemon.run("freqtrade", "export", "--bucket", "Quick", "--output", str(path))
    signals = Signals.read(path)
    assert f"{len(signals.position):,} signals for SAMPLE/USDT 5m (synthetic)" in said
    assert signals.about["weights_sha256"][:12] in said and "trained    on candles from" in said
    assert signals.about["in_sample"] is False and "IN SAMPLE" not in said
    seen_until = max(one[1] for kind in signals.about["seen"].values() for one in kind)
    assert signals.position.index[0] - STEP >= seen_until
    return signals


def agrees_with_the_daemon(
    daemon: RunningDaemon, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is exported for a candle is what the daemon says when asked at its close."""
    monkeypatch.setenv("BTC_AI_RUNTIME_DIR", str(daemon.runtime))
    last = int(signals.position.index[-1])
    close = last - 1000 * STEP
    found = newest_position(f"{SYMBOL}:USDT", "5m", close, bucket="Quick", timeout_s=120)
    assert found == signals.position.loc[close]
    with pytest.raises(DataError, match="candles end at"):
        newest_position(SYMBOL, "5m", last + STEP, timeout_s=120)
    with pytest.raises(BtcAiError):
        newest_position("ETH/USDT", "5m", last, timeout_s=120)


def refused_in_sample(daemon: RunningDaemon, folder: Path) -> None:
    path = folder / "seen.parquet"
    export = ("freqtrade", "export", "--bucket", "Quick", "--output", str(path))
    early = ("--from", "2020-01-01")
    said = daemon.run(*export, *early, code=1)
    assert "trained or chosen on" in said and "--in-sample" in said and not path.exists()
    assert "IN SAMPLE" in daemon.run(*export, *early, "--in-sample")
    assert Signals.read(path).about["in_sample"] is True
    assert "unknown bucket" in daemon.run("freqtrade", "export", "--bucket", "Quack", code=2)


def test_the_strategy_file(tmp_path: Path) -> None:
    """It needs no daemon."""
    here, path = RunningDaemon(tmp_path, tmp_path), tmp_path / "BtcAi.py"
    write = ("freqtrade", "strategy", "--output", str(path), "--timeframe", "1h")
    assert "--strategy BtcAi" in here.run(*write)
    assert 'timeframe = "1h"' in path.read_text()
    assert compileall.compile_file(path, quiet=1)
    assert "is there already" in here.run(*write, code=2)

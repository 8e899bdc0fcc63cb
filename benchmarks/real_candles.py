"""What the four buckets earn on real candles, walk-forward, whatever it is.

    python -m benchmarks.real_candles FOLDER [--folds 4] [--episodes 50]

FOLDER holds parquet files named like btcusdt_5m_2023.parquet. Each bucket of the default
configuration is trained anew on each fold, through the product's own `btc-ai evaluate --folds`, and
tested on what follows; the final 15 % of each file stays untouched.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.four_buckets import House

BASELINES = {
    "buy_and_hold": "hold", "random": "random", "macd": "macd", "momentum": "momentum",
}  # fmt: skip


def main() -> int:
    """Print a row a market and bucket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--episodes", type=int, default=50)
    options = parser.parse_args()
    names = "".join(f"{name:>9}" for name in BASELINES.values())
    print(f"market       bucket     bps/bar              95 %{names}   DSR   PBO  verdict")
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        house = House(Path(folder))
        try:
            for file in sorted(options.folder.glob("*.parquet")):
                _market(house, file, options)
        finally:
            house.run("daemon", "stop")
    return 0


def _market(house: House, file: Path, options: argparse.Namespace) -> None:
    named = re.match(r"([a-z]+)usdt_(\w+?)_", file.name)
    if named is None:
        return
    market = ("--symbol", f"{named[1].upper()}/USDT", "--interval", named[2])
    house.run("data", "import", str(file.absolute()), *market)
    for bucket in ("Scalping", "Short", "Medium", "Long"):
        folds = ("--folds", str(options.folds), "--episodes", str(options.episodes))
        found = house.run("evaluate", *market, "--bucket", bucket, *folds, "--json")
        print(_row(json.loads(found)["parts"][0]["result"]), flush=True)


def _row(report: dict[str, Any]) -> str:
    model = report["policies"]["model"]
    around = model["intervals"]["net_bps_per_bar"]
    interval = f"[{around['low']:+.3f}, {around['high']:+.3f}]"
    selection = report["selection"]
    dsr, pbo = selection["deflated_sharpe"], selection["overfitting"]
    others = "".join(f"{_net(report['policies'][name]):>+9.4f}" for name in BASELINES)
    return (
        f"{report['symbol']:9} {report['interval']:2} {report['bucket']:8} {_net(model):>+9.4f} "
        f"{interval:>17}{others} "
        f"{'–' if dsr is None else format(dsr, '.3f'):>5} "
        f"{'–' if pbo is None else format(pbo, '.2f'):>5}  {_verdict(report, model)}"
    )


def _net(policy: dict[str, Any]) -> float:
    return float(policy["evaluation"]["net_bps_per_bar"])


def _verdict(report: dict[str, Any], model: dict[str, Any]) -> str:
    if not model["evaluation"]["trades"]:
        return "stayed flat"
    return "an edge" if report["passed"] else "not shown to be more than luck"


if __name__ == "__main__":
    raise SystemExit(main())

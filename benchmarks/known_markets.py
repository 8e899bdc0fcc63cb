"""Share of the exact optimum that the whole pipeline reaches on the known markets, seed by seed.

    python -m benchmarks.known_markets [--seeds 5] [--episodes 100] [--learner cfq] [MARKET …]

Each row is `btc_ai.learning.markets.proof`: 200,000 bars through features, training, checkpoints
and the saved model, scored on a fresh path. Bars: on G1–G4 at least 95 % of the optimum on every
seed within 20 CPU-seconds; on G2 with decisions every 6 and 24 bars 93 % of that interval's own
optimum; on G5 no loss beyond .02 bps a bar and a turnover below .005; G6, realised, .93 … 1.05.
"""

import argparse
import tempfile
from pathlib import Path

from btc_ai.learning.markets.proof import SCORED_BARS, Proof, prove
from btc_ai.learning.markets.registry import LAG_TEST, known_markets
from btc_ai.learning.settings import TrainingSettings

CPU_SECONDS = 20.0
LAG_TEST_BARS = 2_000_000
"""So many that the noise of realised returns, .014 bps, is small beside the bounds."""
INTERVALS = {"G2": (1, 6, 24)}


def run(name: str, interval: int, seed: int, options: argparse.Namespace) -> Proof:
    """One row."""
    settings = TrainingSettings(
        name, interval, 72, ("signal",), episodes=options.episodes, learner=options.learner
    )
    scored = LAG_TEST_BARS if name == LAG_TEST else SCORED_BARS
    with tempfile.TemporaryDirectory() as directory:
        return prove(
            known_markets()[name], settings, Path(directory), seed=seed, scored_bars=scored
        )


def row(proof: Proof) -> str:
    """In one line, with what was missed."""
    share = "–" if proof.share is None else f"{proof.share:.1%}"
    missed = [*proof.shortfalls]
    if proof.cpu_seconds > CPU_SECONDS:
        missed.append(f"{proof.cpu_seconds:.1f} CPU-s are more than {CPU_SECONDS:.0f}")
    return (
        f"{proof.market:9} {proof.interval:5} {proof.seed:4}  {proof.achieved_bps:8.4f}  "
        f"{proof.best_bps:7.4f}  {proof.optimal_bps:7.4f}  {share:>6}  {proof.realised_bps:8.4f}  "
        f"{proof.turnover:8.5f}  {'yes' if proof.abstains else 'no':>8}  {proof.cpu_seconds:5.1f}"
        f"{''.join('  MISSED: ' + reason for reason in missed)}"
    )


def main() -> int:
    """Print a row a market, interval and seed; exit status 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("markets", nargs="*", default=[*known_markets()])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--learner", default="cfq")
    options = parser.parse_args()
    print(
        "market    every seed  achieved     best  optimal   share  realised  turnover  "
        "abstains  CPU-s"
    )
    reached = True
    for name in options.markets:
        for interval in INTERVALS.get(name, (1,)):
            for seed in range(options.seeds):
                line = row(run(name, interval, seed, options))
                reached &= "MISSED" not in line
                print(line, flush=True)
    print(f"bars: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())

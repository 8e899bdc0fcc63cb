"""What an evaluation shows, in words that say no more than the numbers do."""

from dataclasses import dataclass

from btc_ai.learning.evaluation.bootstrap import Intervals
from btc_ai.learning.evaluation.results import Evaluation
from btc_ai.learning.evaluation.selection import Selection

LEAST_DEFLATED_SHARPE = 0.95
MOST_OVERFITTING = 0.2
LEAST_BLOCKS = 10


@dataclass(frozen=True)
class Seen:
    """How many bars of the evaluated range the model was trained on, or chosen on."""

    trained: int = 0
    chosen: int = 0


def judge(
    evaluation: Evaluation, intervals: Intervals, selection: Selection, seen: Seen, blocks: float
) -> tuple[bool, str]:
    """Whether all conditions hold, and the verdict. The word "edge" stands in it only if so.

    The conditions: DSR > .95, PBO < .2, a 95 % interval of net bps a bar above 0; and, without
    which those mean nothing: no bar of the range was learned from, and it has ten blocks or more.
    """
    if not evaluation.trades:
        return False, "The model never traded on these bars: it risked nothing and earned nothing."
    missing = [
        *_interval(intervals),
        *_deflated_sharpe(selection),
        *_overfitting(selection),
        *_range(evaluation, seen, blocks),
    ]
    net = intervals.net_bps_per_bar
    result = (
        f"{evaluation.net_bps_per_bar:+.4f} bps a bar net of cost, 95 % interval "
        f"[{net.low:+.4f}, {net.high:+.4f}]"
    )
    if missing:
        return False, f"Not shown to be more than luck ({result}): {'; '.join(missing)}."
    return True, (
        f"An edge, by all conditions: {result}; DSR {selection.deflated_sharpe:.3f} over "
        f"{selection.trials} trials, PBO {selection.overfitting:.2f}. It says what was, on these "
        "bars at this cost, not what will be."
    )


def _interval(intervals: Intervals) -> list[str]:
    net = intervals.net_bps_per_bar
    if net.high < 0:
        return ["it loses: the whole interval lies below 0"]
    return [] if net.low > 0 else ["the interval includes 0"]


def _deflated_sharpe(selection: Selection) -> list[str]:
    value = selection.deflated_sharpe
    if value is None:
        return [f"there is no deflated Sharpe ratio ({selection.deflated_sharpe_reason})"]
    if value > LEAST_DEFLATED_SHARPE:
        return []
    return [
        f"DSR {value:.3f} is not above {LEAST_DEFLATED_SHARPE} (the best of {selection.trials} "
        f"trials is expected to reach a Sharpe ratio of {selection.luck:.2f} by luck)"
    ]


def _overfitting(selection: Selection) -> list[str]:
    value = selection.overfitting
    if value is None:
        return [f"the probability of overfitting is not known ({selection.overfitting_reason})"]
    return [] if value < MOST_OVERFITTING else [f"PBO {value:.2f} is not below {MOST_OVERFITTING}"]


def _range(evaluation: Evaluation, seen: Seen, blocks: float) -> list[str]:
    missing = []
    if seen.trained or seen.chosen:
        missing.append(
            f"of {evaluation.bars:,} bars the model was trained on {seen.trained:,} and chosen on "
            f"{seen.chosen:,}"
        )
    if blocks < LEAST_BLOCKS:
        missing.append(
            f"the range is too short for its interval to be trusted ({blocks:.1f} blocks of "
            f"{evaluation.bars / blocks:,.0f} bars, {LEAST_BLOCKS} needed)"
        )
    return missing

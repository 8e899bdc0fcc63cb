"""What the numbers of a bucket, a transfer and a run say, in words that say no more."""

from collections.abc import Mapping, Sequence
from typing import Any

from btc_ai.history.answers import BucketRow
from btc_ai.reports.contents import Bucket, Policy, Tone, Verdict
from btc_ai.reports.words import interval, number

Body = Mapping[str, Any]


def bps(value: float) -> str:
    """`+0.123 bps a bar`."""
    return f"{number(value, '+.3f')} bps a bar"


def between(low: float | None, high: float | None) -> str:
    """` (95 %: +0.010 to +0.236)`, or nothing."""
    return "" if low is None or high is None else f" (95 %: {interval(low, high)})"


def bucket_verdict(
    row: BucketRow, run_state: str, policies: Sequence[Policy], over_hold: Sequence[float] | None
) -> Verdict:
    """What became of a bucket on the held-out test part."""
    outcome = row.detail.get("outcome")
    if not outcome:
        return _unfinished(row, run_state)
    model = next((one for one in policies if one.name == "model"), None)
    if model is None:
        return Verdict("plain", "Trained; what is left of the model tells no results.")
    if outcome["validation"].get("abstains"):
        return Verdict(
            "plain",
            f"Abstains: validation gave no evidence that trading pays{_t_value(outcome)}, so it "
            "stays flat.",
        )
    if not model.trades:
        return Verdict("plain", "Never traded on the test part: it risked and earned nothing.")
    tone, said = _against_flat(model)
    return Verdict(tone, f"{said}{_against_hold(policies, over_hold)}.")


def _unfinished(row: BucketRow, run_state: str) -> Verdict:
    reached = f"{row.episode:,} of {row.episodes:,} episodes"
    if row.state == "waiting":
        return Verdict("plain", "Has not begun.")
    if run_state in ("running", "queued"):
        return Verdict("plain", f"In training: {reached}.")
    return Verdict("bad" if run_state == "failed" else "plain", f"Unfinished: {reached}.")


def _t_value(outcome: Body) -> str:
    t = outcome["validation"].get("t_value")
    return "" if t is None else f" (t {number(t, '.1f')} against staying flat)"


def _against_flat(model: Policy) -> tuple[Tone, str]:
    found = f"{bps(model.net_bps_per_bar)} net of cost{between(model.low, model.high)}"
    if model.low is None or model.high is None:
        did = "Earned" if model.net_bps_per_bar > 0 else "Lost"
        return (
            "plain",
            f"{did} {found} on candles that it had not seen; how sure that is, is not known",
        )
    if model.low > 0:
        return "good", f"Earned {found} on candles that it had not seen"
    if model.high < 0:
        return "bad", f"Lost {found} on candles that it had not seen"
    return "plain", f"{found} on candles that it had not seen: cannot be told from staying flat"


def _against_hold(policies: Sequence[Policy], over_hold: Sequence[float] | None) -> str:
    hold = next((one for one in policies if one.name == "buy_and_hold"), None)
    if hold is None:
        return ""
    earned = f"buying and holding ({number(hold.net_bps_per_bar, '+.3f')})"
    if over_hold is None:
        return f"; {earned}"
    if over_hold[0] > 0:
        return f"; more than {earned}"
    return f"; less than {earned}" if over_hold[1] < 0 else f"; not to be told from {earned}"


def transfer_verdict(plan: Body, verdict: Body | None, rolled_back: str | None) -> Verdict:
    """Whether a transfer was kept, by how much it helped, and why."""
    source = plan.get("source")
    if not plan.get("kinds"):
        return Verdict("plain", f"Nothing was taken over: {plan.get('reason') or 'no source'}.")
    carried = f"{', '.join(plan['kinds'])} from {source}"
    if verdict and verdict.get("decision"):
        kept = verdict["decision"] == "kept"
        impact = verdict.get("impact") or {}
        low, high = impact.get("low"), impact.get("high")
        said = f"{'Kept' if kept else 'Rolled back'}: {carried}"
        if impact:
            said += f", {bps(impact['difference'])} against scratch{between(low, high)}"
        helped = low is not None and low > 0
        tone: Tone = ("good" if helped else "plain") if kept else "bad"
        return Verdict(tone, f"{said}; {verdict['reason']}.")
    if rolled_back:
        return Verdict("bad", f"Rolled back: {carried}; {rolled_back}.")
    why = (verdict or {}).get("error") or "not measured"
    return Verdict("plain", f"Took over {carried}; whether it helped is not known: {why}.")


def run_verdict(state: str, error: str | None, buckets: Sequence[Bucket]) -> Verdict:
    """The run in a sentence or two."""
    if state == "failed":
        return Verdict("bad", f"The run failed: {error or 'its log says why'}")
    if state != "done":
        done = sum(one.state == "done" for one in buckets)
        return Verdict(
            "plain", f"The run is {state}: {done} of {len(buckets)} buckets are trained."
        )
    better = [one.bucket for one in buckets if one.verdict.tone == "good"]
    worse = [one.bucket for one in buckets if one.verdict.tone == "bad"]
    rest = [one.bucket for one in buckets if one.verdict.tone == "plain"]
    said = [
        f"{_listed(names)} {words}"
        for names, words in (
            (better, "earned more than staying flat on candles not seen before"),
            (worse, "lost there"),
            (rest, "cannot be told from staying flat, or abstain"),
        )
        if names
    ]
    tone: Tone = "bad" if worse else "good" if better and not rest else "plain"
    return Verdict(tone, "; ".join(said) + ".")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))

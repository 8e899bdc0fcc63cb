"""Knowledge transfer in words: what is carried, what became of it, and whether it helped."""

from typing import Any

from btc_ai.cli.context import stalled_words
from btc_ai.cli.tables import number

Body = dict[str, Any]


def joined(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def transfer_words(step: Body) -> str:
    """What a step takes from which bucket, or why it does not, while it runs."""
    plan = step["transfer"]
    if not plan or step["state"] != "running":
        return ""
    if not plan["kinds"]:
        return f" (no transfer: {plan['reason']})"
    kinds, matched = joined(plan["kinds"]), len(plan["matched"])
    new = len(plan["new"])
    return f" ({kinds} from {plan['source']}: {matched} features matched, {new} new)"


def news(step: Body) -> dict[str, str]:
    """What there is to say of a step's transfer and its worker, each once, by a key."""
    said: dict[str, str] = {}
    plan = step["transfer"] or {}
    report = plan.get("report")
    if report and report["reason"]:
        carried = joined(report["kinds"]) or "nothing"
        said["report"] = f"transfer from {plan['source']} carries {carried}: {report['reason']}"
    if step["state"] == "running":
        said |= plan.get("said", {})
    if step.get("rolled_back"):
        ended = step["state"] not in ("running", "done")
        scratch = (
            "the run from scratch has not ended" if ended else "goes on with the run from scratch"
        )
        said["rolled_back"] = f"{step['rolled_back']}; {scratch}"
    if step.get("verdict"):
        said["verdict"] = verdict_words(step["verdict"])
    if plan.get("untouched"):
        said["untouched"] = (
            f"{step['bucket']} keeps the model it had; the one trained now is in "
            f"{step['directory']}"
        )
    if step.get("stalled_since"):
        said[f"stalled {step['stalled_since']}"] = stalled_words(step)
    return said


def verdict_words(verdict: Body) -> str:
    """Kept or rolled back, by how much, and why."""
    if verdict["decision"] is None:
        return f"transfer {verdict['error']}"
    decision = str(verdict["decision"]).replace("_", " ")
    return f"transfer {decision}: {impact_words(verdict['impact'])}; {verdict['reason']}"


def impact_words(impact: Body | None) -> str:
    """The difference to the scratch twin with its interval."""
    if not impact:
        return "not measured"
    said = f"{number(impact['difference'], '+.4f')} bps a bar against scratch"
    if impact["low"] is None:
        return f"{said} (too few blocks for an interval)"
    return f"{said} (95 %: {impact['low']:+.4f} … {impact['high']:+.4f})"


def lineage_lines(run: Body) -> list[str]:
    """Which model came from which, across runs: a line each, indented under the one it is from."""
    labels: dict[str, str] = {}
    parents: dict[str, str | None] = {}
    for step in run["steps"]:
        ancestors = _ancestors(run, step)
        for each in ancestors:
            name = each["weights_sha256"]
            run_id = f"run {each['run']}" if each["run"] else "of no run"
            labels.setdefault(name, f"{each['bucket']} {name[:12]}  ({run_id})")
        outcome = step["outcome"]
        own = outcome["weights_sha256"] if outcome else f"step {step['position']}"
        shown = own[:12] if outcome else step["state"]
        labels[own] = f"{step['bucket']} {shown}  ({_origin(step)})"
        chain = [own, *(each["weights_sha256"] for each in ancestors)]
        parents |= dict(zip(chain, [*chain[1:], None], strict=True))
    return [
        line for name in parents if parents[name] is None for line in _tree(name, labels, parents)
    ]


def _tree(
    name: str, labels: dict[str, str], parents: dict[str, str | None], depth: int = 0
) -> list[str]:
    lines = [f"{'   ' * (depth - 1)}└─ {labels[name]}" if depth else labels[name]]
    for child in [each for each in labels if parents.get(each) == name]:
        lines += _tree(child, labels, parents, depth + 1)
    return lines


def _ancestors(run: Body, step: Body) -> list[Body]:
    """Nearest first: as the model says, or, before there is one, the source it is to begin with."""
    outcome, plan = step["outcome"], step["transfer"]
    if outcome:
        return list(outcome.get("ancestors", []))
    if not plan or not plan["kinds"] or not plan.get("weights_sha256"):
        return []
    name = plan["weights_sha256"]
    within = [each["outcome"] for each in run["steps"] if each["outcome"]]
    source: Body = next((one for one in within if one["weights_sha256"] == name), {})
    nearest = {"run": None, "bucket": plan["source"], "weights_sha256": name}
    return [nearest, *source.get("ancestors", [])]


def _origin(step: Body) -> str:
    plan, verdict = step["transfer"], step.get("verdict")
    if step["continued_from"]:
        return f"further from {step['continued_from']}"
    if not plan or not plan["kinds"]:
        return "from scratch"
    if step.get("rolled_back") or (verdict and verdict["decision"] == "rolled_back"):
        return f"from scratch, for the transfer from {plan['source']} was rolled back"
    kept = ", kept" if verdict and verdict["decision"] == "kept" else ""
    return f"{joined(plan['kinds'])} from {plan['source']}{kept}"

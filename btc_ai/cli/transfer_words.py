"""Knowledge transfer in words: what is carried, what became of it, and whether it helped."""

from typing import Any

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
    """What there is to say of a step's transfer, each once, by a key."""
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
    """Which model of a run came from which, a line each, those of a chain one under the other."""
    lines: list[str] = []
    for step in run["steps"]:
        plan, verdict = step["transfer"], step.get("verdict")
        origin = "from scratch"
        if step["continued_from"]:
            origin = f"further from {step['continued_from']}"
        elif plan and plan["kinds"]:
            origin = f"{joined(plan['kinds'])} from {plan['source']}"
            if step.get("rolled_back") or (verdict and verdict["decision"] == "rolled_back"):
                origin = f"from scratch, for the transfer from {plan['source']} was rolled back"
            elif verdict and verdict["decision"] == "kept":
                origin += ", kept"
        weights = step["outcome"]["weights_sha256"][:12] if step["outcome"] else step["state"]
        lines.append(f"{'└─ ' if lines else ''}{step['bucket']} {weights}  ({origin})")
    return lines

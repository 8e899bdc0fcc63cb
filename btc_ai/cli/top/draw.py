"""Draws what is known as a screen of text, as wide and as high as the terminal is."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from btc_ai.cli.context import market_name, state_of
from btc_ai.cli.sparkline import meter, sparkline
from btc_ai.cli.tables import duration, number
from btc_ai.cli.top.overview import Overview
from btc_ai.cli.transfer_words import verdict_words
from btc_ai.logs.record import escape

Body = dict[str, Any]

STATES = {"running": "cyan", "done": "green", "failed": "red", "queued": "dim", "waiting": "dim"}
LEVELS = {"ok": "green", "warning": "yellow", "limit": "red"}
QUIET_S = 20.0
"""Silence after which it is said how old what is shown is."""
NARROW, WIDE = 60, 100
FEWEST_LOGS = 3


class Screen:
    """One frame. warning, limit: shares of memory, as the configuration has them."""

    def __init__(self, width: int, height: int, warning: float, limit: float) -> None:
        """For a terminal of this size."""
        self._width, self._height = width, height
        self._warning, self._limit = warning, limit

    def draw(self, known: Overview) -> Group:
        """The whole frame; what has no room is left out, old runs and logs first."""
        lines = [*self._head(known), Text()]
        if known.sample:
            lines += [*self._system(known.sample), Text()]
        elif known.status:
            lines += [Text("no samples of the system: is monitoring on?", "dim"), Text()]
        lines += self._runs(known, self._height - len(lines) - FEWEST_LOGS - 1)
        lines += self._alerts(known)
        lines += self._logs(known, self._height - len(lines) - 1)
        return Group(*[self._cut(line) for line in lines[: self._height - 1]])

    def _cut(self, line: Text) -> Text:
        line.truncate(self._width, overflow="ellipsis")
        line.no_wrap = True
        return line

    def _head(self, known: Overview) -> Iterator[Text]:
        clock = time.strftime("%H:%M:%S")
        if known.status is None:
            yield Text.assemble(("btc-ai top  ", "bold"), clock)
        else:
            one = known.status
            parts = [f"process {one['pid']}", f"up {duration(one['uptime_s'])}", clock]
            if self._width < NARROW:
                parts = [clock]
            yield Text.assemble((f"btc-ai {one['version']}  ", "bold"), "  ".join(parts))
            yield from self._ailing(one)
        if known.trouble:
            yield Text(known.trouble, "yellow")
        elif time.time() - known.heard > QUIET_S:
            yield Text(f"nothing heard for {duration(time.time() - known.heard)}", "dim")

    def _ailing(self, status: Body) -> Iterator[Text]:
        for plugin in status["plugins"]:
            if plugin["state"] not in ("ready", "idle", "disabled"):
                yield Text(
                    f"plugin {plugin['name']} is {plugin['state']}: {plugin['detail']}", "red"
                )

    def _system(self, sample: Body) -> Iterator[Text]:
        host = sample["host"]
        yield self._meter("CPU", host["cpu"], f"load {host['load']:.1f}", zones=False)
        used, total = host["memory_used_mb"] / 1024, host["memory_total_mb"] / 1024
        yield self._meter("memory", host["memory"], f"{used:.1f} of {total:.1f} GiB")
        for gpu in sample["gpus"]:
            name = f"GPU {gpu['index']}"
            if gpu["utilisation"] is not None:
                warmth = [
                    f"{gpu[key]:.0f}{unit}"
                    for key, unit in (("temperature_c", " °C"), ("power_w", " W"))
                    if gpu[key] is not None
                ]
                yield self._meter(name, gpu["utilisation"], "  ".join(warmth), zones=False)
            used, total = gpu["memory_used_mb"] / 1024, gpu["memory_total_mb"] / 1024
            yield self._meter(f"{name} mem", gpu["memory"], f"{used:.1f} of {total:.1f} GiB")
        if sample["gpu_state"] == "lost":
            yield Text(f"GPU    lost: {sample['gpu_detail']}", "yellow")

    def _meter(self, name: str, share: float, words: str, *, zones: bool = True) -> Text:
        room = max(8, min(40, self._width - 16 - (len(words) + 2 if self._width >= NARROW else 0)))
        bounds = (self._warning, self._limit) if zones else (1.0, 1.0)
        line = Text.assemble(f"{name:<9}", meter(share, room, *bounds), f" {share:4.0%}")
        return line.append(f"  {words}", "dim") if self._width >= NARROW else line

    def _runs(self, known: Overview, room: int) -> list[Text]:
        """The newest run and those under way whole, the others in a line each."""
        if not known.runs:
            return [Text("no runs yet; `btc-ai train` starts one", "dim"), Text()]
        newest, *others = known.runs
        lines = [*self._run(known, newest), Text()]
        for run in others:
            under_way = run["state"] in ("running", "queued", "paused")
            block = [*self._run(known, run), Text()] if under_way else [self._ended(run)]
            if len(lines) + len(block) < room:
                lines += block
        return lines if not lines[-1].plain else [*lines, Text()]

    def _ended(self, run: Body) -> Text:
        """What its models earned on the test part, net bps a bar."""
        line = Text.assemble(
            f"run {run['run']} ", (run["state"], STATES.get(run["state"], "yellow")),
        )  # fmt: skip
        for step in run["steps"]:
            model = (step["outcome"] or {}).get("evaluation", {}).get("model")
            earned = number(model["net_bps_per_bar"], "+.2f") if model else "–"
            line.append(f"  {step['bucket']} {earned}", "dim")
        return line

    def _run(self, known: Overview, run: Body) -> Iterator[Text]:
        state = state_of(run)
        yield Text.assemble(
            (f"run {run['run']} ", "bold"), (state, STATES.get(state, "yellow")),
            f"  {market_name(run)}",
        )  # fmt: skip
        if run["error"]:
            yield Text(f"  {escape(run['error'])}", "red")
        longest = max((len(step["bucket"]) for step in run["steps"]), default=0)
        names = min(longest, max(8, self._width // 5))
        for step in run["steps"]:
            yield self._step(known, run["run"], step, names)
            if step["stalled_since"]:
                silent = duration(time.time() - step["stalled_since"])
                yield Text(f"  {'':<{names}} stalled: its worker is silent for {silent}", "red")
            if step["verdict"] and self._width >= NARROW:
                yield Text(f"  {'':<{names}} {verdict_words(step['verdict'])}", "dim")

    def _step(self, known: Overview, run: str, step: Body, names: int) -> Text:
        key = (run, step["position"])
        done = step["episodes"] if step["state"] == "done" else step["episode"]
        line = Text.assemble(
            f"  {_shortened(step['bucket'], names):<{names}} ",
            meter(done / max(1, step["episodes"]), 20 if self._width >= WIDE else 8),
            (f" {done}/{step['episodes']}", STATES.get(step["state"], "yellow")),
        )
        if step["state"] == "waiting":
            return line
        if step["state"] == "running" and key in known.eta_s:
            line.append(f"  {duration(known.eta_s[key])} left", "dim")
        metrics = step["metrics"]
        words = {"reward": "+.3f", "loss": ".3f", "win_rate": ".0%", "profit_factor": ".2f"}
        short = {"win_rate": "win", "profit_factor": "pf"}
        for name, form in list(words.items())[: 1 if self._width < WIDE else None]:
            if name in metrics:
                line.append(f"  {short.get(name, name)} {number(metrics[name], form)}")
        curve = [row.get("reward") for row in known.curves.get(key, ())]
        room = min(30, self._width - len(line.plain) - 2)
        return line.append(f"  {sparkline(curve, room)}", "cyan") if room >= 5 else line

    def _alerts(self, known: Overview) -> list[Text]:
        lines = [
            Text.assemble(
                (time.strftime("%H:%M:%S ", time.localtime(moment)), "dim"),
                (escape(text), LEVELS.get(level, "")),
            )
            for moment, level, text in list(known.alerts)[-3:]
        ]
        return [Text("alerts", "bold"), *lines, Text()] if lines else []

    def _logs(self, known: Overview, room: int) -> Sequence[Text]:
        if not known.logs or room < 2:
            return []
        return [Text("log", "bold"), *(Text(escape(one)) for one in known.logs[-(room - 1) :])]


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"

"""What an audit found, to print, to send and to keep."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    part: which feature and column, or which part of the pipeline. bar: its index in the candles
    that were looked at, and `time` its open time, None where it is not about one bar. advice:
    what to do.
    """

    part: str
    detail: str
    advice: str
    bar: int | None = None
    time: str | None = None

    def __str__(self) -> str:
        """One line."""
        where = f", at bar {self.bar:,} ({self.time})" if self.bar is not None else ""
        return f"{self.part}{where}: {self.detail}. {self.advice}"


@dataclass(frozen=True)
class Check:
    """One check of an audit; it passed when nothing was found. looked_at: in words."""

    name: str
    looked_at: str
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        findings = [dataclasses.asdict(one) for one in self.findings]
        return {**dataclasses.asdict(self), "findings": findings, "passed": self.passed}


@dataclass(frozen=True)
class AuditReport:
    """All checks of one bucket on one market."""

    bucket: str
    symbol: str
    interval: str
    bars: int
    candles_sha256: str
    features: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for every finding, the check's name first."""
        return tuple(f"{check.name}: {one}" for check in self.checks for one in check.findings)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {
            **dataclasses.asdict(self),
            "features": list(self.features),
            "checks": [check.to_json() for check in self.checks],
            "passed": self.passed,
        }

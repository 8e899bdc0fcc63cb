"""The README is a tutorial: what it shows is what is here."""

import re
from pathlib import Path


def test_the_tutorial_shows_these_very_files() -> None:
    root = Path(__file__).parents[1]
    shown = re.findall(
        r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", (root / "README.md").read_text(), re.M | re.S
    )
    assert [name for name, _ in shown] == [
        "pyproject.toml", "btc_ai_hello/btc_ai_plugin.json", "btc_ai_hello/service.py",
        "btc_ai_hello/feature.py", "btc_ai_hello/cli.py", "btc_ai_hello/__init__.py",
    ]  # fmt: skip
    for name, text in shown:
        assert (root / name).read_text() == text, name

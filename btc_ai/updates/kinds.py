"""How this BTC-AI was installed, and what to do where updates cannot change it."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Literal

from btc_ai.errors import UpdateError
from btc_ai.updates.layout import Layout, own_layout

Kind = Literal["slots", "editable", "pip"]
ADVICE = {
    "editable": "BTC-AI runs from a checkout: update that (`git pull`), then "
    "`pip install -c constraints.txt -e .` and restart the daemon",
    "pip": "BTC-AI was installed by pip: `pip install --upgrade btc-ai` and restart the daemon; or "
    "move to release slots, which update themselves and go back by themselves, with "
    "`btc-ai update install --into /opt/btc-ai`",
}


def kind() -> Kind:
    """In a release slot, from a checkout, or by pip."""
    if own_layout()[1]:
        return "slots"
    try:
        told = distribution("btc-ai").read_text("direct_url.json") or "{}"
        editable = bool(json.loads(told).get("dir_info", {}).get("editable"))
    except (PackageNotFoundError, ValueError, AttributeError):
        editable = False
    return "editable" if editable else "pip"


def require_slots() -> Layout:
    """The root of this installation's releases. Raises UpdateError, with what to do instead."""
    found = kind()
    if found != "slots":
        raise UpdateError(ADVICE[found])
    return own_layout()[0]

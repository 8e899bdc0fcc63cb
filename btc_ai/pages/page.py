"""Pages of one file each, which load nothing: a room's template, and the looks that all share."""

import re
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def page_environment(package: str, **filters: Any) -> Environment:
    """For the templates in a package; `looks.css.jinja` is there to be included.

    What is put into a template is escaped.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("btc_ai.pages", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, **filters}
    return environment


def bps(value: float) -> str:
    """A value in bps a bar: `+0.123`, with a true minus."""
    return f"{value:+.3f}".replace("-", "−")


def code(text: str) -> Markup:
    """Text as HTML, in which what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))

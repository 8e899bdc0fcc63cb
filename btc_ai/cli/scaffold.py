"""Writes a plugin package to begin with, whose own tests pass."""

import re
from pathlib import Path

from btc_ai import __version__
from btc_ai.api import API_VERSION
from btc_ai.api.discovery import RESERVED, discover
from btc_ai.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def write_plugin(name: str, folder: Path) -> list[Path]:
    """Write the package of a plugin into `folder`, which must not be there; the files' paths.

    Raises UsageError for a name that cannot be one, and where the folder is there or cannot be
    written.
    """
    import jinja2

    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} is no name of a plugin with commands; use at most 32 of a-z, 0-9 and _, "
            "a letter first"
        )
    if name in (taken := (*RESERVED, *(found.name for found in discover()))):
        raise UsageError(f"{name!r} is taken; choose another name than {', '.join(taken)}")
    if folder.exists():
        raise UsageError(f"{folder} is there already; name another with --output")
    words = {
        "name": name,
        "package": f"btc_ai_{name}",
        "distribution": f"btc-ai-{name.replace('_', '-')}",
        "description": f"The {name} plugin of BTC-AI.",
        "version": __version__,
        "api": API_VERSION,
    }
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )  # fmt: skip
    written = []
    try:
        for template in sorted(TEMPLATES.rglob("*.jinja")):
            place = template.relative_to(TEMPLATES).with_suffix("")
            parts = [words["package"] if part == "package" else part for part in place.parts]
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8")
            path.write_text(environment.from_string(text).render(words), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    return written

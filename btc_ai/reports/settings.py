"""The configuration, and what of it differs from the defaults."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from btc_ai.config import Config, default_config, without_secrets
from btc_ai.reports.contents import Setting, Settings

Body = Mapping[str, Any]


def gather_settings(config: Config) -> Settings:
    """The configuration as it is now; of secrets, that there are some."""
    whole = without_secrets(config.model_dump(mode="json"))
    default = without_secrets(default_config().model_dump(mode="json"))
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return Settings(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        changed=list(_differences(whole, default)),
        whole=whole,
    )


def _differences(values: Body, defaults: Body, prefix: str = "") -> Iterator[Setting]:
    """Each key whose value is another than its default, sections gone through."""
    for key in [*values, *(one for one in defaults if one not in values)]:
        value, default = values.get(key), defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            yield from _differences(value, default, f"{prefix}{key}.")
        elif value != default:
            yield Setting(f"{prefix}{key}", value, default)

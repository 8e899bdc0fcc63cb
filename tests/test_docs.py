"""What is documented is true, and what there is is documented."""

import importlib
import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from btc_ai.api import hooks
from btc_ai.api.discovery import Manifest
from btc_ai.api.messages import Event
from btc_ai.config import Config, Section
from btc_ai.names import BUILTIN_LEARNERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_hook_is_documented_with_its_arguments() -> None:
    text = (DOCS / "plugins.md").read_text()
    names = [name for name in vars(hooks) if name.startswith("btc_ai_")]
    assert names
    for name in names:
        code = vars(hooks)[name].__code__
        arguments = ", ".join(code.co_varnames[: code.co_argcount])
        assert f"### `{name}({arguments})`" in text


def test_every_command_and_event_stands_in_the_specification() -> None:
    text = (DOCS / "messaging.md").read_text()
    dotted = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", text, re.MULTILINE))
    documented = dotted - {"commands.sock", "events.sock", "reply.result", "reply.error"}
    services = [*(ROOT / "btc_ai/plugins").glob("*/service.py"), ROOT / "btc_ai/daemon/commands.py"]
    source = "".join(path.read_text() for path in services)
    offered = set(re.findall(r'Command\(\s*"([a-z.]+)"', source))
    for path in (ROOT / "btc_ai").rglob("messages.py"):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    events = {one.kind for one in Event.__subclasses__() if one.__module__.startswith("btc_ai.")}
    assert {kind for kind in offered | events if "." in kind} == documented
    assert all(f"| `{kind}` |" in text for kind in events)


def _sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [
        kind
        for field in model.model_fields.values()
        if isinstance(kind := field.annotation, type) and issubclass(kind, Section)
    ]
    return [model, *(one for kind in inner for one in _sections(kind))]


@pytest.mark.parametrize("section", _sections(Config))
def test_every_setting_is_described(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        inner = field.annotation
        is_section = isinstance(inner, type) and issubclass(inner, Section)
        assert is_section or field.description, name


@pytest.mark.parametrize("learner", BUILTIN_LEARNERS)
def test_every_learner_has_a_page(learner: str) -> None:
    text = (DOCS / "learners" / f"{learner}.md").read_text()
    assert f'`LEARNER: "{learner}"`' in text
    for section in ("## Equations", "## Settings", "## Metrics", "## Deviations"):
        assert section in text
    for link in re.findall(r"\]\((?!https)([^)]+)\)", text):
        assert (DOCS / "learners" / link).is_file(), link


def test_every_hook_has_an_example_that_runs() -> None:
    shown: set[str] = set()
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL):
        names: dict[str, object] = {}
        exec(compile(block, "plugins.md", "exec"), names)
        shown |= {name for name in names if name.startswith("btc_ai_")}
    assert shown == {name for name in vars(hooks) if name.startswith("btc_ai_")}


def test_every_key_of_the_manifest_is_documented() -> None:
    text = (DOCS / "plugins.md").read_text()
    for name in Manifest.model_fields:
        assert f"`{name}`" in text, name


def test_the_schema_beside_the_example_is_the_configurations() -> None:
    written = json.loads((ROOT / "config/btc_ai.schema.json").read_text())
    assert written == Config.model_json_schema(), "run: btc-ai config schema > config/…"

"""`btc-ai config`: show, check, write and describe the configuration."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.errors import ConfigError
from btc_ai.paths import find_config, user_config

app = typer.Typer(no_args_is_help=True, help="The configuration: show, check, init, schema.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


@app.command()
def show(ctx: typer.Context, as_json: Json = False) -> None:
    """Print the configuration in force: the file's values, and defaults for the rest.

    Secrets in the settings of plugins, and in URLs, are shown as ***.
    """
    from btc_ai.config import without_secrets

    here = current(ctx)
    config, path = here.config(), here.config_file
    values = without_secrets(config.model_dump(mode="json"))
    if as_json:
        print_json({"file": str(path) if path else None, "config": values})
        return
    here.say(f"# {path or 'no configuration file: the defaults'}")
    sys.stdout.write(json.dumps(values, indent=4) + "\n")


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="File to check")] = None,
    as_json: Json = False,
) -> None:
    """Check a configuration file and name everything that is wrong with it."""
    from btc_ai.api.discovery import known_names
    from btc_ai.cli.plugins import require_settings
    from btc_ai.config import load_config

    path = find_config(file or current(ctx).config_option)
    try:
        require_settings(load_config(path, **known_names()))
    except ConfigError as error:
        if as_json:
            print_json({"file": str(path), "valid": False, "errors": str(error)})
        raise
    if as_json:
        print_json({"file": str(path) if path else None, "valid": True})
    else:
        current(ctx).say(f"{path or 'the defaults'}: valid")


@app.command()
def init(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to write it")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file")] = False,
) -> None:
    """Write a configuration file with every key at its default.

    The folders of a FILE that is named are beside it; else they are those of ~/.local/share/btc-ai.
    """
    from btc_ai.config import Config, default_config

    path = (file or current(ctx).config_option or user_config()).expanduser().absolute()
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force replaces it")
    values = default_config().model_dump(mode="json")
    if file is not None:
        folders = [name for name in values if name.endswith("_DIR")]
        values |= {name: str(Config.model_fields[name].default) for name in folders}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    current(ctx).say(f"wrote {path}")


@app.command()
def schema() -> None:
    """Print the configuration's JSON schema."""
    from btc_ai.config import Config

    sys.stdout.write(json.dumps(Config.model_json_schema(), indent=2) + "\n")

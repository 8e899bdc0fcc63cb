"""Brings a database up to the newest schema; Alembic's scripts are in `versions`."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection


def alembic_config() -> AlembicConfig:
    """Where Alembic finds the scripts; there is no alembic.ini."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(connection: Connection) -> None:
    """Run the migrations that a database lacks, in the connection's transaction."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

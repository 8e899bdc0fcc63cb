"""Alembic's entry: it runs in the connection and transaction of `upgrade`."""

from alembic import context

from btc_ai.history.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

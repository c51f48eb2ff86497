"""How Alembic runs the ledger's migrations: on the connection, and in the transaction, that `schema.upgrade` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()

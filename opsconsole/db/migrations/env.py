"""What Alembic runs: always on a connection that `opsconsole.db.migrate` hands over."""

from alembic import context

from opsconsole.db import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=context.config.attributes.get("render_item"),
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

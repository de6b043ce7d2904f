"""What Alembic runs to take a step. `service.catalogue.migrating` hands over the connection, inside its transaction."""

from alembic import context

from service.catalogue.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    # A table of SQLite is altered by making it anew.
    render_as_batch=True,
    # SQLite's DDL is transactional too, once the driver is kept from committing before it, as `database` does.
    transactional_ddl=True,
)
context.run_migrations()

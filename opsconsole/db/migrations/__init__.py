"""Schema revisions, in Alembic's form; `opsconsole migrate` and every start bring the database to the newest."""

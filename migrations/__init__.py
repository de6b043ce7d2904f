"""How the catalogue's tables came to be, step by step, for Alembic. `facet db upgrade` takes those that are missing."""

"""The `facet` commands of the catalogue and the service."""

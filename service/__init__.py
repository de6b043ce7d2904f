"""The catalogue, ingest and the HTTP service. Stands on `index`, never imports `training`."""

"""The map of the catalogue: drawn offline by `facet map`, kept up as tracks come and go, answered to the page."""

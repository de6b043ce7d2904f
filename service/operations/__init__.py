"""What whoever runs Facet needs to see: its log, its figures, and what is wrong with it."""

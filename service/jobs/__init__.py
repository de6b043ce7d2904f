"""Uploads on their way into the catalogue: where they are kept, who analyses them, how far they are."""

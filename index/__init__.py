"""The ground floor: audio in, neighbours out. No torch, no web, no database."""

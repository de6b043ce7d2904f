"""What every call has in common: how it is refused, how a clip arrives, what is held open, how all of it runs."""

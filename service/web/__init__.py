"""The page at `/`: plain HTML, CSS and ES modules from this process, and the few calls that only a page needs."""

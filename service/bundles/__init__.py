"""Which model bundle answers, and how another one takes its place while questions go on being answered."""

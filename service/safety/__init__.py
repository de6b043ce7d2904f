"""Who may ask, and how much: API keys, limits, and what keeps a browser's other pages out. docs/threat-model.md."""

"""Blueprint files as text: YAML with positions, tags, and what wraps it."""

"""The token endpoint: its phases, and the registry of grants."""

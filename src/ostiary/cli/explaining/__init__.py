"""The commands that explain: access, flows, and trials of policies and mappings."""

"""The application of a blueprint: entry by entry, to one workspace."""

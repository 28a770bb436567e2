"""The unit of work over configuration and directory: changes, validation, one commit."""

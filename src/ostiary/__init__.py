"""Ostiary: a self-hosted identity provider.

This package owns nothing but its version; every room below owns its own paths, tables and verbs.
"""

__version__ = "0.1.0"

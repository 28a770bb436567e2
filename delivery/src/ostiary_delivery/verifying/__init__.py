"""Verification of an image against its definition, lock, signature and bill of materials, by rebuilding it.

Serves the command `verify`. A check that cannot be made (no key, a folder has no signatures) is reported as open.
"""

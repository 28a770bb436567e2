"""Whether an image is what its declaration, its lock, its signer and its bill say, found out without trusting anyone.

Serves the command `verify`. What cannot be asked (no key given, a folder has no signatures) is said, and is no success.
"""

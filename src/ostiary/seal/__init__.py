"""Encryption of secrets at rest, and the type every secret has inside the program.

Owns `Secret` (prints as stars, compares in constant time) and the envelope encryption of secrets at rest.
Must not know databases, resources or settings: bytes in, values out.
"""

from ostiary.seal.secret import STARS, Secret

__all__ = ["STARS", "Secret", "derivation", "envelope"]

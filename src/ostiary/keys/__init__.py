"""Certificates and signing keys.

Owns the kind `authentik_crypto.certificatekeypair`, the default pairs of a new installation, signers, and public keys
as JWK. Serves no paths. Must not know what is signed: providers look a signer up by primary key.
"""

__all__ = ["certificate", "defaults", "errors", "pem", "resources", "room", "signer"]

"""Certificates and signing keys.

Owns the kind `authentik_crypto.certificatekeypair`, the default pairs of a new installation, signers, and public keys
as JWK. Serves no paths. Must not know who signs what: providers ask for a signer by primary key.
"""

__all__ = ["certificate", "defaults", "errors", "pem", "resources", "room", "signer"]

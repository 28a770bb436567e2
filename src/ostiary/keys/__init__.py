"""Certificates and signing keys.

Owns the kind `authentik_crypto.certificatekeypair`, the pairs of a fresh installation, the signers made from them and
their public halves as JWK. Serves no paths. Must not know who signs what: providers ask for a signer by primary key.
"""

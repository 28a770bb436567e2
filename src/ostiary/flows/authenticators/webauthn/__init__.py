"""Passkeys and security keys (WebAuthn)."""

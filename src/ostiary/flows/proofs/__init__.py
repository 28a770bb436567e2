"""Proofs of a user: password checks, known browsers, second factors, and reauthentication."""

"""Endpoints that take tokens: userinfo, introspection, revocation, and GitHub's API."""

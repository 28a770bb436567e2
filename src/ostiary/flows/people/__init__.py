"""Whom a flow is about."""

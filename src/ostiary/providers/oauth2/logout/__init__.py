"""The three kinds of logout, and session management."""

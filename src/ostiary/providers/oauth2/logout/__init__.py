"""The three kinds of logout, and the session state that clients watch."""

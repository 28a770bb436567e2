"""The end of a session, asked for by a person or an application: the steps behind the stages of the flow."""

__all__ = ["session_end"]

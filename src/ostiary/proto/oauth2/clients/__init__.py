"""How clients prove who they are, and which key they hold."""

__all__ = ["assertion", "authentication", "certificate_header", "dpop", "statement"]

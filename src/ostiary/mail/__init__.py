"""Mail: messages in the brand's look, a durable outbox, and the SMTP client.

Owns the table `mail`. Serves no paths. Must not know what a message is about: rooms above pass its paragraphs and its
link.

A message waits sealed in the outbox, because its link may be a bearer value. The task `mail.send` names its row
only, so that neither the queue nor its listing contains the text.
"""

__all__ = ["errors", "message", "outbox", "room", "wording"]

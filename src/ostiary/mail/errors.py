"""The errors of this room.

MailError
|-- BadAddress         an address that no message can be sent to
|-- NotDelivered       the server could not be reached, or refuses for now: a later attempt may succeed
    |-- MessageRefused the server refuses this message for good
"""

from __future__ import annotations


class MailError(Exception):
    """The root of this room's errors. The text says why, without the message."""


class BadAddress(MailError, ValueError):
    """The text is no e-mail address."""


class NotDelivered(MailError):
    """The message was not accepted; a later attempt may succeed."""


class MessageRefused(NotDelivered):
    """The server refused the message for good (RFC 5321 4.2.1: a reply that begins with 5)."""

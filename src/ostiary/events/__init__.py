"""The audit log, nothing else: one row for each thing worth remembering, in the transaction of what it tells.

Owns the table `event` and the log line of failed sign-ins. Serves no paths.
Must not know sessions' cookies, users' tables, flows or pages: whoever acts hands over plain data.
"""

from ostiary.events.event import event

__all__ = ["event"]

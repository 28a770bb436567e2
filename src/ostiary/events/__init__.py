"""The audit log: one row per event, written in the transaction of the change it records.

Owns the table `event`, and the log lines of failed sign-ins and refusals. Serves no paths. Must not know session
cookies, the tables of users, flows or pages: callers pass plain data.
"""

__all__ = ["audit", "evaluation_log", "event", "outages", "refusals", "repository", "room", "sentences", "signin_log"]

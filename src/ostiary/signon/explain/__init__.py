"""Why a person may use an application or not: decided by the same engine as a sign-in, and nothing is written.

Whatever a decision would write is dropped. Commands ask here; no request is answered from here.
"""

__all__ = ["explanation", "finding", "preview", "situation", "trying", "words"]

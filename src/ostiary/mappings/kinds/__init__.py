"""The kinds of mappings whose protocol is not served yet: they are stored, checked, and can be tried."""

"""The authenticators: a folder for each kind, with its device, its set-up stage and its page."""

"""What expressions may ask of other machines: hosts that the operator allows, and nobody else.

`allowed` knows the rules, `network` asks. Off by default.
"""

"""The grants of the token endpoint, one module each. Each says what was granted, and how the tokens are stored.

What is not theirs to decide, the client, the policies, the person's standing and the signing, stays with the endpoint.
"""

"""Running services and manifests, compared with the declared versions.

Serves the command `services-check`. It contacts only the given addresses, changes nothing, and uses no cluster.
"""

"""What runs, compared with what is declared: services that answer, and manifests that say what is to run.

Serves the command `services-check`. Asks only the addresses it was given, changes nothing, and speaks to no cluster.
"""

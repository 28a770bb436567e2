"""Documents as a graph of prerequisites, worked on from its leaves (the Mikado method).

Owns the cards `docs/how-to/*.md`, the order of a chain's commits and the check of all pages. Serves the commands
`mikado`, `commit-order` and `docs check`. Must not know containers, images or registries.
"""

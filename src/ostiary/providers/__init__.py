"""The protocols applications speak, one room each. They never import each other."""

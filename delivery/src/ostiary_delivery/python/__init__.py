"""Python packages for another Python than the one that runs here: locked requirements, wheels, bytecode.

Serves wheels and their files. Must not know anything of images.
"""

"""Python packages for the Python of an image: locked requirements, wheels, bytecode.

Serves wheels and their files. Must not know anything of images.
"""

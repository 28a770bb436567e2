"""From locked packages to reproducible container images: resolve, lock, build, compare, sign, push.

Owns the folder `containers/` of any repository, the lock files in it, the cache of inputs and the images it writes.
Serves people and continuous integration through the command `ostiary-delivery`. Must not know anything of the program
that an image carries: what it needs to know stands in `containers/<name>/container.toml`.
"""

__version__ = "0.1.0"

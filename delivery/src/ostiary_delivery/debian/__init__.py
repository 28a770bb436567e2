"""Debian archives: signed releases, indexes, versions, dependencies and .deb files. Runs no maintainer script ever.

Serves records of packages and their files. Must not know anything of images.
"""

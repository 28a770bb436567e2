"""Grants: what a person allowed a client, and the codes and tokens that came of it.

Owns the tables grant_family, refresh_token and access_token, and the namespace "oauth2.code" of single-use values.
A *family* is one authorization: its code, and every token made from it. Whoever changes a family writes its row first,
so that rotation, replay and logout of the same family happen one after the other on both databases. Serves no paths.
Must not know clients' settings, flows or protocols' wire forms.
"""

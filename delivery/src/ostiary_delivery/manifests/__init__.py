"""Manifests of Kubernetes in a repository: `deploy/kustomize/overlays/<name>` and what they are put together from.

Serves the commands `render`, `pin` and `secrets init`. kustomize does the putting together; here images get the tag and
digest of what was built, and the secrets that manifests ask for are made. Nothing is applied: no cluster is spoken to.
"""

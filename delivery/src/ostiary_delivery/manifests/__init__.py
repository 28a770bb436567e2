"""Manifests of Kubernetes in a repository: `deploy/kustomize/overlays/<name>` and their bases.

Serves the commands `render`, `pin` and `secrets init`. kustomize builds the objects; this package sets tag and digest
of built images and generates the secrets that manifests need. Nothing is applied: no cluster is contacted.
"""

"""What a token is shown at: userinfo, introspection, revocation, and GitHub's addresses."""

"""The authorization endpoint and its pushed requests: from the parameters to the response."""

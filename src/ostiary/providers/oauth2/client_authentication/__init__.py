"""Who may speak for a client, and to which key a token is bound."""

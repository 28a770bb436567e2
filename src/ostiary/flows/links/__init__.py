"""Links by mail that continue a flow: their rows, their addresses, and the words of their messages."""

"""What a client reads before it speaks: discovery, keys, WebFinger."""

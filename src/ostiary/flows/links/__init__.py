"""Links by mail that continue a flow: their repository, URLs and messages."""

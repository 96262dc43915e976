"""A network as plain data. The only room that knows Paddle's programs."""

"""Which channels go together: numpy on a Graph. Knows no Paddle."""

"""Metrics. Each has `update(outputs, batch)`, `compute() -> {name: value}` and, as class facts,
`main` (the value that decides which model is best) and `higher_is_better`."""

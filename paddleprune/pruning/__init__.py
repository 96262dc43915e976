"""Channel pruning of a network, given its example input and a score function. Knows no task.

trace -> groups -> sensitivity -> ratios -> plan -> apply: each a file, in this order.
"""

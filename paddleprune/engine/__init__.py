"""The loops: fit.py the only one that trains, evaluate.py the only one that evaluates."""

"""From a model directory to a file that runs without this package."""

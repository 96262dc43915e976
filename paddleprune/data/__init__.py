"""From files to batches: readers (one a layout), transforms, sample data."""

"""A sensitivity analysis of a saved model: on which images, with which engine, in how many processes."""

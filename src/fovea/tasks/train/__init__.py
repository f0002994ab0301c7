"""Training a classifier: the task, and its parts from reading to the report."""

"""Continuous training: whether to retrain, and how the result is published."""

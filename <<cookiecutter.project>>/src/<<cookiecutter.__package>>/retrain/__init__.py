"""Continuous training: whether there is reason to retrain, and what becomes of the model. Machinery, seldom touched."""

"""The machinery of an MLOps project: everything that is not its owner's. Replaced whole by `update`."""

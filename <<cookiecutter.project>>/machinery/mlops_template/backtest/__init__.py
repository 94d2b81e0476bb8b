"""History replayed: how often, and on which data, the model should have been retrained."""

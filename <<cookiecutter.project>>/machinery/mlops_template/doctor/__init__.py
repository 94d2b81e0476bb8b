"""What is wrong with a project's setup, and the command that fixes it."""

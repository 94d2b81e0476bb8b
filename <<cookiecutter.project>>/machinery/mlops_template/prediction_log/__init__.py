"""The log of what production predicted and what truly happened."""

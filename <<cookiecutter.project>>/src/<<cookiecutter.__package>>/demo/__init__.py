"""A year of the sample feed in two minutes, in a copy that is thrown away: what a newcomer runs to see the whole."""

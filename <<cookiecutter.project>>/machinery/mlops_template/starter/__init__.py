"""The first day: setting a project up, the demo, a table of one's own."""

"""A GitHub of our own for the tests: a bare repository, pull requests, and workflows that really run, under act."""

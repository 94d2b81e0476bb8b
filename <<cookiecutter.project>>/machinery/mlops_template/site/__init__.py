"""The whole life of the project as a static site."""

"""How commands and stages talk to the terminal."""

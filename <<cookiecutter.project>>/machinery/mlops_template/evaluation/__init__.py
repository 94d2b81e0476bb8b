"""How good a model is: metrics on the holdout, comparison with the champion, gates, serving parity."""

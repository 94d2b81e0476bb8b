"""How the model does in production: what came in, what it predicted, what came true."""

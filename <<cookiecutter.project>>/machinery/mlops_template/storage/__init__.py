"""Where data and models are kept, and how they get there and back."""

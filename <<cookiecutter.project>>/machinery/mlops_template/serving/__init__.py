"""What runs in the image: the service, and nothing that trains."""

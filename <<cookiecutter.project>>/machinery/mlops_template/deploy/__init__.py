"""From the champion to the services that run it."""

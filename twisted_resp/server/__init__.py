"""What clients share: the server, its registries, and what is remembered of each client."""

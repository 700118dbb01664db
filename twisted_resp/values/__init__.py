"""Data structures of the values: one a file, and none of them knows of keys, clients or replies."""

"""Redis' RDB format: values to bytes and back, DUMP payloads and whole files. Knows no databases."""

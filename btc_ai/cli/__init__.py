"""The `btc-ai` command line: one module a command group; talks to the bus."""

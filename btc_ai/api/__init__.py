"""The plugin contract: hooks, messages, Service and Context, errors."""

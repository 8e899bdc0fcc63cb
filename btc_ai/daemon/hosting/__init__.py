"""The plugin host: what a plugin declares, where its service runs, what becomes of it."""

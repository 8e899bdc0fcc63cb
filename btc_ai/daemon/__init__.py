"""The host: start-up and shutdown, plugins, supervisor, workers, job journal."""

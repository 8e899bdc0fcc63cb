"""Where the tasks of a study run: in this process, in a pool, or where a plugin knows."""

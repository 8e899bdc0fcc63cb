"""Worker processes, and what every child process of the daemon shares: death, silence, words."""

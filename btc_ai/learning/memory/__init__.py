"""What a run does when memory runs short: see `docs/memory.md`."""

"""Backups of what cannot be made again: configuration, history, job journal, models' metadata."""

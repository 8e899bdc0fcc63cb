"""What was measured, in a database: written by the monitoring service, read by all who show it.

`docs/monitoring.md` describes the tables.
"""

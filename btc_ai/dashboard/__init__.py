"""The dashboard: what the history, the bus and the logs tell, as a web page that stays live."""

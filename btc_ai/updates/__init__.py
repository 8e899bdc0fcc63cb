"""Updates: what a server offers is fetched, verified, made a slot, tried, kept or undone."""

"""Releases: built, signed and published as a static folder that any web server can serve."""

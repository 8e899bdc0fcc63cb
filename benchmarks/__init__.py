"""Measured claims, each runnable by one command."""

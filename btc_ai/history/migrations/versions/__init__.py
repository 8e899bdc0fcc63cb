"""Migrations, in order; each changes what the one before it left."""

"""Proof that nothing a model learns from or acts on comes from later than it says."""

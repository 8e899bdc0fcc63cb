"""Learning algorithms, behind one interface."""

"""Knowledge transfer from one bucket's model to another's: its kinds, and what each was worth."""

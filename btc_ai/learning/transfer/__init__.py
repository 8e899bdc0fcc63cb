"""Knowledge transfer from one bucket to another: its kinds, and what each was worth."""

"""What pages that open offline have in common: their looks, and plots that take part in them."""

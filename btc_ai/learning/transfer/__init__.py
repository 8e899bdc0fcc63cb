"""Knowledge transfer: what one bucket hands to another, and whether it helped."""

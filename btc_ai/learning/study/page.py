"""The page."""
def make_page(table, name): return ""

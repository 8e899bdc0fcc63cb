"""Log records, how they stand in files, how they are written and found again."""

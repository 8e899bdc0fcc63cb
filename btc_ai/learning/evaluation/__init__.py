"""What a policy is worth, honestly: accounting, results, baselines, statistics."""

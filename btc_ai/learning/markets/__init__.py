"""Markets whose best policy is known, to measure a learner and the whole pipeline against."""

"""How an agent learns: environment, Q-network, learner, trainer, evaluation, checkpoint."""

"""How likely a Sharpe ratio is more than luck, given how many models were tried.

Bailey & López de Prado 2012 (probabilistic) and 2014 (deflated), "The Deflated Sharpe Ratio:
Correcting for Selection Bias, Backtest Overfitting and Non-Normality". All Sharpe ratios here
are of one bar, not annualised.
"""

import math
from statistics import NormalDist

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


def probabilistic_sharpe(
    sharpe: float, threshold: float, bars: int, skew: float, kurtosis: float
) -> float | None:
    """P(true Sharpe > threshold) = Φ((SR − SR*) √(T − 1) / √(1 − γ₃ SR + (γ₄ − 1) SR² / 4)).

    kurtosis: 3 for a normal. None with fewer than two bars, or where the estimate's variance
    would not be positive (a few extreme bars).
    """
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if bars < 2 or variance <= 0:
        return None
    return _NORMAL.cdf((sharpe - threshold) * math.sqrt((bars - 1) / variance))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """SR₀, the best Sharpe ratio to expect of `trials` models that are worth nothing.

    √V · ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e))), V being the variance of the Sharpe ratios
    over the trials, and γ the Euler-Mascheroni constant; 0 for a single trial.
    """
    if trials < 2:
        return 0.0
    best = (1 - EULER_MASCHERONI) * _NORMAL.inv_cdf(1 - 1 / trials)
    best += EULER_MASCHERONI * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(
    sharpe: float, *, trials: int, variance: float, bars: int, skew: float, kurtosis: float
) -> float | None:
    """P(true Sharpe > SR₀): the probabilistic Sharpe ratio against the best of `trials` by luck."""
    threshold = expected_best_sharpe(trials, variance)
    return probabilistic_sharpe(sharpe, threshold, bars, skew, kurtosis)

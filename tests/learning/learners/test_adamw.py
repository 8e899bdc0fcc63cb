import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from btc_ai.learning.learners.adamw import AdamW, Group

TRAIN = """
import sys
from pathlib import Path
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import builtin_features
from btc_ai.market.sample import sample_market

settings = TrainingSettings(
    bucket="Small", min_horizon=2, max_horizon=24, features=("price", "rsi"), buffer_size=1000,
    batch_size=8, episodes=1,
)
train_bucket(settings, sample_market(6000), builtin_features(), Path(sys.argv[1]))
print(*(one for one in ("torch._dynamo", "sympy") if one in sys.modules))
"""


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_steps_as_torchs_own_does_to_the_last_bit(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    torch.manual_seed(1)
    mine = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)).to(device)
    theirs = copy.deepcopy(mine)
    own = AdamW([Group(list(mine[0].parameters()), 0.01), Group(list(mine[2].parameters()), 0.0)])
    peer = torch.optim.AdamW(
        [
            {"params": list(theirs[0].parameters()), "weight_decay": 0.01},
            {"params": list(theirs[2].parameters()), "weight_decay": 0.0},
        ],
        fused=True,
    )
    for step in range(20):
        seen = torch.randn(7, 5, device=device)
        rates = (0.0 if step < 3 else 1e-3 / (1 + step), 3e-3)
        for group, other, rate in zip(own.groups, peer.param_groups, rates, strict=True):
            group.rate = other["lr"] = rate
        own.zero_grad()
        peer.zero_grad()
        mine(seen)[:, : 1 + step % 3].square().sum().backward()
        theirs(seen)[:, : 1 + step % 3].square().sum().backward()
        own.step()
        peer.step()
        for one, two in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, two)
            assert own.state[one].keys() == peer.state[two].keys()
            for name, moment in own.state[one].items():
                assert torch.equal(moment, peer.state[two][name])


def test_a_weight_without_a_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(2))
    own = AdamW([Group([weight], 0.1, rate=1.0)])
    own.step()
    assert own.state == {} and torch.equal(weight, torch.ones(2))


def test_a_worker_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "model")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"

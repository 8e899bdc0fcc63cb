"""GPUs that are there, are not, go, and come back."""

import pynvml

from btc_ai.plugins.monitoring.gpus import RETRY_S, Gpus
from tests.plugins.monitoring.cards import Cards


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_several_gpus_are_read() -> None:
    gpus = Gpus(Cards(2), Clock())
    first, second = gpus.read()
    assert (first.index, first.name, second.index, second.name) == (0, "Card 0", 1, "Card 1")
    assert (first.memory, first.memory_used_mb, first.memory_total_mb) == (0.25, 4096, 16384)
    assert (first.utilisation, first.temperature_c, first.power_w) == (0.5, 61, 70.5)
    assert gpus.memory_of == {42: 2048, 43: 0}
    assert (gpus.state, gpus.detail) == ("ok", "")


def test_what_a_card_does_not_tell_is_none() -> None:
    cards = Cards()
    cards.mute = {"utilisation", "power", "temperature", "processes"}
    gpus = Gpus(cards, Clock())
    (card,) = gpus.read()
    assert (card.utilisation, card.temperature_c, card.power_w) == (None, None, None)
    assert (gpus.state, gpus.memory_of) == ("ok", {})


def test_without_a_driver_there_are_none() -> None:
    cards, clock = Cards(0), Clock()
    cards.driver = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    gpus = Gpus(cards, clock)
    assert (gpus.read(), gpus.state) == ([], "none")
    assert "Not Found" in gpus.detail
    cards.driver = None
    cards.count = 1
    cards.used = [0]
    assert gpus.read() == []  # not asked again yet
    clock.now = RETRY_S
    assert (len(gpus.read()), gpus.state) == (1, "ok")


def test_this_machines_own_driver_is_asked() -> None:
    gpus = Gpus(pynvml)
    found = gpus.read()
    assert gpus.state == ("ok" if found else "none")


def test_a_driver_that_goes_is_begun_anew() -> None:
    cards, clock = Cards(), Clock()
    gpus = Gpus(cards, clock)
    assert len(gpus.read()) == 1
    cards.driver = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    for _ in range(3):
        clock.now += 5
        assert (gpus.read(), gpus.state) == ([], "lost")
    assert cards.begun == 1
    cards.driver = None
    clock.now += RETRY_S
    assert (len(gpus.read()), gpus.state, gpus.detail) == (1, "ok", "")
    assert cards.begun == 2


def test_a_card_that_is_lost_leaves_the_others() -> None:
    cards, clock = Cards(3), Clock()
    gpus = Gpus(cards, clock)
    cards.lost = {1}
    assert [card.index for card in gpus.read()] == [0, 2]
    assert (gpus.state, gpus.detail) == ("lost", "GPU 1: GPU is lost")
    begun = cards.begun
    clock.now += RETRY_S / 2
    gpus.read()
    assert cards.begun == begun  # the others are not disturbed at each look
    cards.lost = set()
    assert ([card.index for card in gpus.read()], gpus.state) == ([0, 1, 2], "ok")

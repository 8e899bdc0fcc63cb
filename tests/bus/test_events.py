"""The event socket by itself."""

import asyncio

import zmq

from btc_ai.bus.events import EventSocket


def test_other_work_goes_on_between_two_welcomes() -> None:
    async def run() -> list[int]:
        turns, welcomed = 0, list[int]()

        def welcome() -> bytes:
            welcomed.append(turns)
            return b"welcome"

        with zmq.Context() as context, context.socket(zmq.XPUB) as door:
            made = EventSocket(door, welcome)
            door.bind("inproc://events")
            with context.socket(zmq.SUB) as subscriber:
                subscriber.connect("inproc://events")
                for number in range(50):
                    subscriber.subscribe(f"welcome.{number:016x}")
                serving = asyncio.create_task(made.serve())
                async with asyncio.timeout(20):
                    while len(welcomed) < 50:
                        turns += 1
                        await asyncio.sleep(0)
                serving.cancel()
                await asyncio.wait({serving})
        return welcomed

    welcomed = asyncio.run(run())
    assert len(set(welcomed)) == len(welcomed) == 50

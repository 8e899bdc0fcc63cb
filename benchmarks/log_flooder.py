"""A child that logs through the real pipe: `flooder.py FD FIRST LAST COUNTER NAME PAUSE`.

After each record that the kernel has, it writes its number into the counter: it is acknowledged.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

from btc_ai.logs.capture import capture, logger
from btc_ai.logs.pipe import PipeLog

COUNTER = struct.Struct("q")


def main() -> None:
    """Log, from FIRST to LAST."""
    fd, first, last = map(int, sys.argv[1:4])
    pipe = PipeLog(fd)
    capture(pipe, "INFO")
    log = logger("flooder")
    with Path(sys.argv[4]).open("r+b") as file, mmap.mmap(file.fileno(), COUNTER.size) as counter:
        for number in range(first, last + 1):
            log.info("record", who=sys.argv[5], number=number)
            while not pipe.flush(60):
                pass
            COUNTER.pack_into(counter, 0, number)
            if number % 100 == 0:
                time.sleep(float(sys.argv[6]))


if __name__ == "__main__":
    main()

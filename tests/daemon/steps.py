"""Steps for the workers of these tests; each is imported by a real worker process."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from btc_ai.api.errors import TrainingError
from btc_ai.api.step import StepContext, StepStoppedError

Body = dict[str, Any]


def double(arguments: Body, step: StepContext) -> Body:
    return {"value": 2 * arguments["value"], "pid": os.getpid()}


def count(arguments: Body, step: StepContext) -> Body:
    for number in range(arguments["n"]):
        step.progress({"number": number})
    return {}


def refuse(arguments: Body, step: StepContext) -> Body:
    raise TrainingError("too few candles")


def fault(arguments: Body, step: StepContext) -> Body:
    raise ValueError(arguments.get("text", "a bug"))


def shout(arguments: Body, step: StepContext) -> Body:
    raise ValueError("x" * 2_000_000 + "\udcff")


def wrong_result(arguments: Body, step: StepContext) -> Any:
    return arguments.get("what")


def nan_result(arguments: Body, step: StepContext) -> Any:
    return {"loss": float("nan")}


def _tries(arguments: Body) -> int:
    """Counts the attempts in a file."""
    path = Path(arguments["file"])
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size


def die_at_first(arguments: Body, step: StepContext) -> Body:
    tries = _tries(arguments)
    for number in range(5):
        step.progress({"try": tries, "number": number})
        if tries == 1 and number == 2:
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
    return {"tries": tries}


def leave(arguments: Body, step: StepContext) -> Body:
    os._exit(7)


def crash(arguments: Body, step: StepContext) -> Body:
    ctypes.string_at(0)
    return {}


def mixed_deaths(arguments: Body, step: StepContext) -> Body:
    if _tries(arguments) % 2:
        os._exit(7)
    return crash(arguments, step)


def until_stopped(arguments: Body, step: StepContext) -> Body:
    step.progress({"pid": os.getpid()})
    while not step.should_stop():
        time.sleep(0.01)
    raise StepStoppedError("at a checkpoint")


def deaf(arguments: Body, step: StepContext) -> Body:
    if arguments.get("to_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    step.progress({"pid": os.getpid()})
    while True:
        time.sleep(1)
        if not arguments.get("to_term") and getattr(step, "asked", False):
            raise StepStoppedError("by SIGTERM")


def log(arguments: Body, step: StepContext) -> Body:
    step.log.info("epoch ends", epoch=3)
    step.log.warning("clipped", share=0.5)
    lines = [
        "plain text", '{"level": "info"}', '{"level": [], "event": "odd"}', "[" * 5000,
        '{"level": "info", "event": "e", "self": 1, "method_name": 2}', "5", "\udcff" * 2,
    ]  # fmt: skip
    for line in lines:
        sys.stderr.buffer.write(line.encode(errors="surrogateescape") + b"\n")
    sys.stderr.flush()
    try:
        raise ValueError("inner")
    except ValueError:
        step.log.error("went wrong", exc_info=True)
    return {}


def flood(arguments: Body, step: StepContext) -> Body:
    for _ in range(64):
        sys.stdout.buffer.write(b"o" * (1 << 20))
        sys.stderr.buffer.write(b"e" * (1 << 20))
    sys.stderr.buffer.write(b"\nlast\n" + b"short\n" * 20_000)
    sys.stderr.flush()
    return {}


def leave_a_child(arguments: Body, step: StepContext) -> Body:
    child = subprocess.Popen(["sleep", "60"])
    step.progress({"pid": child.pid})
    time.sleep(0.2)
    os._exit(7)


def quiet(arguments: Body, step: StepContext) -> Body:
    """Says nothing for `seconds`; with `asks` it asks whether to stop meanwhile."""
    end = time.monotonic() + arguments["seconds"]
    while time.monotonic() < end:
        time.sleep(0.02)
        if arguments.get("asks"):
            step.should_stop()
    step.progress({"pid": os.getpid()})
    time.sleep(arguments.get("then", 0.0))
    return {"pid": os.getpid()}


def allocate(arguments: Body, step: StepContext) -> Body:
    kept = []
    for _ in range(arguments["mb"]):
        kept.append(b"x" * (1 << 20))
    return {"mb": len(kept)}


def abort_for_want_of_memory(arguments: Body, step: StepContext) -> Body:
    try:
        return allocate(arguments, step)
    except MemoryError:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
        os.abort()


def leave_a_session(arguments: Body, step: StepContext) -> Body:
    """A grandchild in a session of its own, whose parent has gone, with this stderr."""
    line = (
        "import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True, "
        "stdout=subprocess.DEVNULL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{line}; print(p.pid)"], stdout=subprocess.PIPE, check=True
    )
    step.progress({"pid": int(done.stdout)})
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def fill_stderr_for_ever(arguments: Body, step: StepContext) -> Body:
    step.progress({"pid": os.getpid()})
    while True:
        os.write(2, b"e" * 4096 + b"\n")


def join_group(arguments: Body, step: StepContext) -> Body:
    """Go into a control group, then allocate until the kernel kills."""
    Path(arguments["group"], "cgroup.procs").write_text(str(os.getpid()))
    return allocate(arguments, step)

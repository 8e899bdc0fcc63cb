"""Clock, ports, GPU, threads and limits of this machine."""

import os
import resource
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import btc_ai
from btc_ai.cli.doctor.findings import Finding, Look, ok, warning, wrong

AHEAD_S = 60.0
LOOKED_AT = 5000
LEAST_FILES, ADVISED_FILES = 256, 1024
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LEAST_GROUP_MB = 1024
ADVICE = "set the machine's clock, and have it kept right (NTP)"


def clock(look: Look) -> Iterator[Finding]:
    """It is not before the program was installed, and no file of ours is from the future."""
    now, installed = time.time(), Path(btc_ai.__file__).stat().st_mtime
    if now < installed - AHEAD_S:
        yield wrong("the clock is before the program's installation", todo=ADVICE)
        return
    folders = (look.config.MODELS_DIR, look.config.DATA_DIR, look.config.LOG_DIR)
    newest, path = max(islice(_stamps(folders), LOOKED_AT), default=(0.0, Path()))
    if newest > now + AHEAD_S:
        text = f"a file is {newest - now:.0f} s in the future: the clock was, or is, wrong"
        yield warning(text, path, todo=ADVICE)
    else:
        yield ok(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _stamps(folders: Iterable[Path]) -> Iterator[tuple[float, Path]]:
    """When each file was changed; those that vanish meanwhile are left out."""
    for folder in folders:
        for where, _, names in os.walk(folder):
            for path in (Path(where, name) for name in names):
                with suppress(OSError):
                    yield path.lstat().st_mtime, path


def ports(look: Look) -> Iterator[Finding]:
    """Those of REMOTE are free, or the running daemon's."""
    remote = look.config.REMOTE
    if not remote.ENABLED:
        yield ok("none is used: REMOTE.ENABLED is false")
        return
    for name, port in (("COMMAND", remote.COMMAND_PORT), ("EVENT", remote.EVENT_PORT)):
        yield _port(look, f"REMOTE.{name}_PORT", remote.ADDRESS, port)


def _port(look: Look, name: str, address: str, port: int) -> Finding:
    reason, where = _not_free(address, port), f"{address}:{port}"
    seen = False if look.daemon is None else _listens(look.daemon["pid"], port)
    if reason is not None and seen is False:
        todo = f"end what listens there (`ss -ltnp`), or change {name} or ADDRESS"
        return wrong(f"{name} cannot be used: {reason}", where, todo=todo)
    if reason is not None:
        return ok(f"{name} is {'the daemon’s' if seen else 'taken, by whom cannot be seen'}", where)
    if look.daemon is not None:
        text = f"{name} is free: the daemon that runs does not listen there"
        return warning(text, where, todo="`btc-ai daemon restart`")
    return ok(f"{name} is free", where)


def _listens(pid: int, port: int) -> bool | None:
    """Whether a process listens on a TCP port; None where this user may not know."""
    import psutil

    try:
        links = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return None
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in links)


def _not_free(address: str, port: int) -> str | None:
    try:
        host = None if address == "*" else address
        family, kind, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return error.strerror or str(error)
    return None


def gpu(look: Look) -> Iterator[Finding]:
    """There is one with at least 6 GB where one is wanted; without one the CPU trains."""
    from btc_ai.api.advice import LEAST_GPU_GB, find_gpus

    if not look.config.USE_GPU:
        yield ok("trains on the CPU: USE_GPU is false")
    elif os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        yield ok("trains on the CPU: CUDA_VISIBLE_DEVICES hides every GPU")
    elif not (cards := find_gpus()):
        yield ok("trains on the CPU: there is no GPU that NVML knows")
    else:
        for card in cards:
            text = f"{card.name}: {card.free_gb:.1f} of {card.total_gb:.1f} GB free"
            if card.total_gb < LEAST_GPU_GB:
                yield warning(text, todo="6 GB are advised; lower BATCH_SIZE if memory runs out")
            elif card.free_gb < LEAST_GPU_GB:
                yield warning(text, todo="close other programs that use the GPU: 6 GB are advised")
            else:
                yield ok(text)


def memory(look: Look) -> Iterator[Finding]:
    """There is enough for a worker, also in the control group."""
    from btc_ai.api.advice import LEAST_HOST_MB, free_host_mb

    free = min(free_host_mb(look.config), *_group_limits_mb(), float("inf"))
    if free < LEAST_HOST_MB:
        todo = "close other programs, raise the control group's limit, or lower BATCH_SIZE"
        yield warning(f"{free:,.0f} MiB are free; a run wants about {LEAST_HOST_MB}", todo=todo)
    else:
        yield ok(f"{free:,.0f} MiB are free")


def _group_limits_mb() -> Iterator[float]:
    """MiB that the control groups around this process allow."""
    root = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            file = root / group.strip("/") / "memory.max"
        elif "memory" in controllers.split(","):
            file = root / "memory" / group.strip("/") / "memory.limit_in_bytes"
        else:
            continue
        if file.is_file() and (text := file.read_text().strip()) != "max":
            yield int(text) / (1 << 20)


def threads(look: Look) -> Iterator[Finding]:
    """No variable asks for more threads than there are cores."""
    cores = len(os.sched_getaffinity(0))
    asked = {name: os.environ[name] for name in THREADS if name in os.environ}
    for name, value in asked.items():
        if not value.isdecimal() or not 1 <= int(value) <= cores:
            todo = f"unset {name}, or set it to 1: a worker computes in one thread"
            yield warning(f"{name} is {value!r}, with {cores} cores", todo=todo)
            return
    said = ", ".join(f"{name}={value}" for name, value in asked.items())
    yield ok(f"{cores} cores{f'; {said}' if said else ''}")


def limits(look: Look) -> Iterator[Finding]:
    """Enough files may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} files may be open at once"
    if soft < LEAST_FILES:
        yield wrong(text, todo=f"ulimit -n {ADVISED_FILES}, or LimitNOFILE= of the service")
    elif soft < ADVISED_FILES:
        yield warning(text, todo=f"ulimit -n {ADVISED_FILES}, or LimitNOFILE= of the service")
    else:
        yield ok(text)

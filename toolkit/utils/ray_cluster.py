"""A Ray cluster for the length of a block: one of our own on this machine, or a connection to the user's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import toolkit
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import RayOptions

INSTALL = "pip install -c constraints.txt -e '.[distributed]'"
STARTS = 3  # Ray gives its own processes 30 seconds to start; a busy machine may need another try
REACH_SECONDS = 10.0
_SOCKET_BYTES = 107  # most that the name of a socket may have
_SOCKET_BELOW = len("/mer12345678/session_2026-01-01_00-00-00_123456_1234567/sockets/plasma_store")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CPU workers are told so by us; without this, Ray warns
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed",  # we say it in a line, not in twenty
}


@contextlib.contextmanager
def ray_cluster(options: RayOptions) -> Iterator[types.ModuleType]:
    """Ray, connected: yields the module. A cluster of our own ends with the block, and nothing of it stays.

    In a process that is connected already, that connection is used, and stays.

    Raises:
        UserError: ray is not installed, or the cluster cannot be reached or started.
    """
    ray = _import_ray()
    if ray.is_initialized():
        yield ray
        return
    with contextlib.ExitStack() as ending:
        if threading.current_thread() is threading.main_thread():
            ending.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # Ray puts its own there
        if options.address is None:
            ending.callback(shutil.rmtree, folder := _session_folder(), ignore_errors=True)
            ending.callback(_shut_down, ray)
            _start(ray, folder, options)
        else:
            ending.callback(_shut_down, ray)
            _join(ray, options.address)
        yield ray


def _import_ray() -> types.ModuleType:
    for name, value in _QUIET.items():  # read when ray is imported
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UserError(f"--engine ray needs the package ray: {INSTALL} (or leave out --engine)") from error
    return ray


def _session_folder() -> Path:
    """A folder for the sockets and logs of a cluster of our own."""
    root = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    room = _SOCKET_BYTES - _SOCKET_BELOW
    if len(os.fsencode(os.path.abspath(root))) > room:
        raise UserError(
            f"the folder for temporary files, {root}, has too long a name for Ray: set RAY_TMPDIR to one of at most "
            f"{room} letters"
        )
    return Path(tempfile.mkdtemp(prefix="mer", dir=os.path.abspath(root)))


def _start(ray: types.ModuleType, folder: Path, options: RayOptions) -> None:
    """A cluster of our own on this machine, with the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for last in [False] * (STARTS - 1) + [True]:
        try:
            ray.init(
                address="local",  # never one that another user of this machine runs
                num_cpus=max(cores, options.workers or 1),
                include_dashboard=False,
                object_store_memory=options.object_store,
                _temp_dir=str(folder),
                **_connection(),
            )
            return
        except UserError:
            raise
        except Exception as error:  # Ray raises the plain class
            _shut_down(ray)
            if last or "timed out" not in str(error):
                raise UserError(f"Ray cannot be started here: {_first_line(error)}") from error


def _join(ray: types.ModuleType, address: str) -> None:
    try:
        _reach(address)
        ray.init(address=address, **_connection())
    except Exception as error:
        raise UserError(
            f"--ray_address {address}: {_first_line(error)}; start a cluster with `ray start --head`, its further "
            "machines with `ray start --address HOST:PORT`, or leave the flag out. A cluster that asks for a token "
            "wants RAY_AUTH_MODE=token here, too (docs/distributed.md)"
        ) from error


def _reach(address: str) -> None:
    """Raises `OSError` at once where nobody listens; Ray itself would try for ten minutes."""
    host, found, port = address.rpartition("//")[2].rpartition(":")
    if found and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()


def _connection() -> dict[str, object]:
    """What every connection says: no chatter, and where workers find the toolkit and the user's settings."""
    found = [str(Path(toolkit.__file__).parents[1]), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    settings = {name: value for name, value in os.environ.items() if name.startswith("MER_")}
    return {
        "log_to_driver": False,
        "logging_level": "critical",
        # only variables: a working_dir would upload the checkout to every machine
        "runtime_env": {"env_vars": {**settings, "PYTHONPATH": os.pathsep.join(dict.fromkeys(found))}},
    }


def _shut_down(ray: types.ModuleType) -> None:
    """Without being interrupted: a second Ctrl-C must not leave processes."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        ray.shutdown()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text[:300]}" or type(error).__name__

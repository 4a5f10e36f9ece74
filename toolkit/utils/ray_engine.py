"""The flags of ``--engine ray`` (https://docs.ray.io), the engine for several GPUs or machines; ray is not imported.

The cluster: `ray_cluster.py`; what works on it: `ray_pool.py`.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from toolkit.utils.errors import UserError

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class RayOptions:
    """What the command line says about Ray.

    Attributes:
        address: of a cluster that runs already ("auto": on this machine); None: one of our own, on this machine.
        workers: how many; None: as many as the cluster has room for.
        gpus: of each worker, 0.5 = two share one; None: 1 where the cluster has GPUs, else 0.
        object_store: bytes of shared memory of a cluster of our own; None: Ray's choice.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None
    object_store: int | None = None


def add_engine_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--engine`` and what goes with it."""
    add = parser.add_argument
    add(
        "--engine",
        choices=ENGINES,
        default="local",
        help="ray: workers on several GPUs or machines (docs/distributed.md)",
    )
    add("--ray_address", metavar="HOST:PORT", help="ray: a running cluster, or auto (default: one of its own, here)")
    add("--ray_workers", type=int, metavar="N", help="ray: workers (default: as many as there is room for)")
    add(
        "--gpus_per_worker",
        type=float,
        metavar="F",
        help="ray: GPUs of a worker, e.g. 0.5 (default: 1 where there are any)",
    )


def ray_options(
    engine: str, address: str | None = None, workers: int | None = None, gpus: float | None = None
) -> RayOptions | None:
    """The checked flags; None for the engine `local`.

    Raises:
        UserError: an unknown engine, an impossible number, or flags of ray without it.
    """
    if engine not in ENGINES:
        raise UserError(f"--engine {engine} is not one of {', '.join(ENGINES)}")
    if engine == "local":
        given = {"--ray_address": address, "--ray_workers": workers, "--gpus_per_worker": gpus}
        wrong = [flag for flag, value in given.items() if value not in (None, "")]
        if wrong:
            raise UserError(f"{', '.join(wrong)}: only with --engine ray")
        return None
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise UserError(f"--ray_workers {workers} is not a whole number of at least 1")
    if gpus is not None and not (0 <= gpus < math.inf and (gpus <= 1 or gpus == int(gpus))):
        raise UserError(f"--gpus_per_worker {gpus} is not 0, a fraction such as 0.5, or a whole number")
    return RayOptions(str(address) if address else None, workers, gpus)

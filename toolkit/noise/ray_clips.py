"""``--engine ray``: clips made by tasks on a Ray cluster; the run's own process keeps the manifest, as without it.

A clip is a function of its name, the seed and the noise list alone: it does not matter which machine makes it. All of
them must see the videos, the noise and the output under the same paths.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from toolkit.noise.clip_job import ClipMaker
from toolkit.noise.manifest import ClipRecord
from toolkit.preprocess.batch import Job
from toolkit.preprocess.media import MediaError, Stopped
from toolkit.utils import atomic
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions
from toolkit.utils.ray_pool import room
from toolkit.utils.ray_worker import portable
from toolkit.utils.threads import limit_threads

_STOP_POLL = 0.2  # seconds between two looks at the stop event


class RayClips:
    """`toolkit.noise.clip_work.Make` by Ray tasks of one core each; may be called by several threads."""

    def __init__(self, ray: ModuleType, maker: ClipMaker) -> None:
        self._ray, self._maker = ray, ray.put(maker)
        self._task = ray.remote(make_clip).options(
            num_cpus=1, max_retries=1
        )  # when its process dies, not when it raises

    def __call__(self, job: Job, row: ClipRecord | None, stop: threading.Event) -> ClipRecord:
        """`ClipMaker.__call__` somewhere on the cluster.

        Raises:
            MediaError: two processes died on the clip.
            Exception: what the maker raised.
        """
        promise = self._task.remote(self._maker, job, row, os.getcwd())
        while not self._ray.wait([promise], timeout=_STOP_POLL)[0]:
            if stop.is_set():
                self._ray.cancel(promise, force=True)
                raise Stopped("stopped")
        try:
            good, answer = self._ray.get(promise)
        except self._ray.exceptions.RayError as error:
            atomic.remove_orphans(job.target.parent)
            kind = type(error).__name__
            raise MediaError(f"{job.source}: two processes at work on it died ({kind}: out of memory?)") from error
        if not good:
            raise answer
        return answer


def make_clip(maker: ClipMaker, job: Job, row: ClipRecord | None, folder: str) -> tuple[bool, Any]:
    """In a Ray worker: (True, the clip's row), or (False, the error)."""
    import cv2

    with contextlib.suppress(OSError):  # relative paths are those of the driver, where it is on this machine
        os.chdir(folder)
    limit_threads(1)
    cv2.setNumThreads(1)  # the other cores have their own clips
    try:
        return True, maker(job, row, threading.Event())
    except Exception as error:
        return False, portable(error)


@contextlib.contextmanager
def ray_clips(maker: ClipMaker, clips: int, options: RayOptions) -> Iterator[tuple[RayClips, int]]:
    """What makes the clips, and how many it makes at a time.

    Raises:
        UserError: no Ray, or no room for a worker.
    """
    with ray_cluster(options) as ray:
        count, _ = room(ray, options, wanted_cpus=1, use_gpus=False)
        yield RayClips(ray, maker), max(1, min(clips, count))

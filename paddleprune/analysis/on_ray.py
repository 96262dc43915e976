"""Groups shared out among the machines of a Ray cluster. The driver alone writes the file.

Each Ray actor prepares the job for itself, so the model's folder and the data must be found under the
same paths on every machine, and the package be installed there. An actor that dies costs its group.
"""

import collections
import socket
from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..pruning.measure import Found
from ..pruning.sensitivity import Points
from .job import Job, Prepared
from .workers import _again


def shared_out(
    job: Job, groups: list[str], curves: Mapping[str, Mapping[float, float]], baseline: float,
    count: int, address: str,
) -> Found:  # fmt: skip
    """Like `workers.shared_out`, on a cluster. `address`: "local" for a cluster of this machine alone,
    "auto" for the one that this machine belongs to, or HOST:PORT. `count`: 0 = all the cluster's cores.
    """
    ray = _connect(address)
    remote = ray.remote(num_cpus=job.threads or 1, max_restarts=0)(_Actor)
    count = count or max(1, int(ray.cluster_resources().get("CPU", 1)) // (job.threads or 1))
    queue, deaths = collections.deque(groups), collections.Counter()  # type: ignore[var-annotated]
    busy: dict[Any, tuple[Any, str]] = {}  # promise -> (actor, group)
    idle: list[Any] = []
    try:
        while queue or busy:
            while queue and len(busy) < count:
                actor, group = (idle.pop() if idle else remote.remote(job, baseline)), queue.popleft()
                busy[actor.group.remote(group, dict(curves.get(group, {})))] = (actor, group)
            (done, *_), _ = ray.wait(list(busy), num_returns=1)
            actor, group = busy.pop(done)
            try:
                points = ray.get(done)
            except ray.exceptions.RayActorError as error:
                if isinstance(error, ray.exceptions.ActorDiedError) and "UserError" in str(error):
                    raise UserError(_last_line(error)) from error
                _again(group, queue, deaths)
                continue
            except ray.exceptions.RayTaskError as error:
                raise UserError(_last_line(error)) from error
            idle.append(actor)
            if points:
                yield group, points
            yield group, {}
    finally:
        ray.shutdown()


class _Actor:
    """A prepared job on some machine of the cluster."""

    def __init__(self, job: Job, baseline: float):
        self.search = Prepared(job).search(baseline)

    def group(self, name: str, known: Mapping[float, float]) -> Points:
        found: Points = {}
        for points in self.search.group(name, known):
            found |= points
        return found


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray: Ray is not installed; install it with: pip install ray==2.60.0") from error
    try:
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=5).close()
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--ray: no cluster answers at '{address}' ({str(error).strip().splitlines()[0]}); start one "
            "with ray start --head, or use --ray local"
        ) from error
    return ray


def _last_line(error: Exception) -> str:
    """What the actor said: the last line of Ray's long report."""
    return str(error).strip().splitlines()[-1].rpartition("Error: ")[2]

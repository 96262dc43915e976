"""Hands that are actors of a Ray cluster.

Each actor prepares the job for itself, so the model's folder and the data must be found under the same paths on every
machine, and the package be installed there. An actor that dies costs its group.
"""

import socket
from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..pruning.measure import Found
from ..pruning.sensitivity import Points
from . import sharing
from .job import Job, Prepared


def shared_out(
    job: Job, groups: list[str], curves: sharing.Curves, baseline: float, count: int, address: str
) -> Found:
    """`sharing.shared_out` on a cluster. `address`: "local" for a cluster of this machine alone, "auto" for the one
    that this machine belongs to, or HOST:PORT. `count`: 0 = all the cluster's cores."""
    ray = _connect(address)
    remote = ray.remote(num_cpus=job.threads or 1, max_restarts=0)(_Actor)
    count = count or max(1, int(ray.cluster_resources().get("CPU", 1)) // (job.threads or 1))

    def ready(hands: list[_Hand]) -> list[_Hand]:
        done, _ = ray.wait([hand.promise for hand in hands], num_returns=1)
        return [hand for hand in hands if hand.promise in done]

    try:
        yield from sharing.shared_out(
            lambda: _Hand(ray, remote.remote(job, baseline)), ready, groups, curves, count
        )
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


class _Hand:
    """The driver's end of an actor, and the promise of what it is at."""

    def __init__(self, ray: Any, actor: Any):
        self.ray, self.actor = ray, actor
        self.group, self.promise = "", None

    def give(self, group: str, known: Mapping[float, float]) -> None:
        self.group, self.promise = group, self.actor.group.remote(group, known)

    def hear(self) -> tuple[Points, bool]:
        errors = self.ray.exceptions
        try:
            return self.ray.get(self.promise), True
        except errors.RayActorError as error:
            if isinstance(error, errors.ActorDiedError) and "UserError" in str(error):
                raise UserError(_last_line(error)) from error
            raise sharing.Died from error
        except errors.RayTaskError as error:
            raise UserError(_last_line(error)) from error

    def end(self) -> None:
        self.ray.kill(self.actor)

    kill = end


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

"""Which container this is, read from what the kernel lets a process see of itself."""

from __future__ import annotations

HEX = frozenset("0123456789abcdef")


def container_id(cgroup: str, mountinfo: str) -> str | None:
    """The 64 hex digits that Docker, containerd, CRI-O and Podman name a container with.

    From /proc/self/cgroup (version 1), else from the mounts that a runtime makes for
    /etc/hostname and its like (version 2).
    """
    for line in cgroup.splitlines():
        if found := _id_in(line.rpartition(":")[2].replace("-", "/").replace(".", "/")):
            return found
    for line in mountinfo.splitlines():
        _, marker, after = line.partition("/containers/")
        if not marker:
            _, marker, after = line.partition("/overlay-containers/")
        if marker and (found := _id_in(after.split(" ", 1)[0])):
            return found
    return None


def attributes(
    environ: dict[str, str], *, host: str, cgroup: str, mountinfo: str
) -> dict[str, object]:
    """What is known of the container, under OpenTelemetry's resource names."""
    known: dict[str, object] = {
        "host.name": host or None,
        "container.id": container_id(cgroup, mountinfo),
        "container.image.name": environ.get("TAPWRAP_IMAGE"),
        "k8s.pod.name": environ.get("POD_NAME")
        or (host if "KUBERNETES_SERVICE_HOST" in environ else None),
        "k8s.namespace.name": environ.get("POD_NAMESPACE"),
        "service.version": environ.get("TAPWRAP_VERSION"),
        "deployment.environment.name": environ.get("TAPWRAP_ENVIRONMENT"),
    }
    return {name: item for name, item in known.items() if item}


def _id_in(path: str) -> str | None:
    return next(
        (part for part in path.split("/") if len(part) == 64 and HEX.issuperset(part)), None
    )

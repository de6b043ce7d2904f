"""What `doctor` looks at of the machine: the processor, memory, files, and room on the disks."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from service.operations.findings import Finding, problem, warning, well
from service.settings import Settings

MIB, GIB = 2**20, 2**30
# Below the first nothing can be relied on; below the second a snapshot or a backup may not fit any more.
DISK_FULL_BELOW_BYTES = 64 * MIB
DISK_LOW_BELOW_BYTES = 2 * GIB
# A rule of thumb of ours: room for a service, or for an ingest with one decoder at work.
MEMORY_LOW_BELOW_BYTES = 512 * MIB
# Each connection, clip and snapshot file takes one.
OPEN_FILES_AT_LEAST = 1024
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
MEMORY = Path("/proc/meminfo")
CPU = Path("/proc/cpuinfo")


def processor(settings: Settings) -> Iterable[Finding]:
    """Whether it has what makes it fast, and as many cores as threads are set."""
    name = "processor"
    if not has_avx2():
        yield warning(
            name,
            "no_avx2",
            "it has no AVX2: everything works, but searching and listening take longer than they need to",
            "use a processor made after 2013 (Intel) or 2015 (AMD), or a virtual machine that passes AVX2 on",
        )
    cores = usable_cores()
    if settings.threads > math.ceil(cores):
        yield warning(
            name,
            "too_many_threads",
            f"FACET_THREADS is {settings.threads}, but {cores:g} cores may be used: threads wait for one another",
            f"set FACET_THREADS={max(1, math.floor(cores))}",
        )
    else:
        yield well(name, f"{cores:g} cores may be used, by {settings.threads} threads")


def memory(settings: Settings) -> Iterable[Finding]:  # noqa: ARG001
    """Whether there is room for the service."""
    if not MEMORY.exists():
        return
    fields = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    if available < MEMORY_LOW_BELOW_BYTES:
        remedy = "end something else, or set FACET_THREADS lower: each thread of an ingest decodes a file"
        yield warning("memory", "memory_low", f"{_size(available)} are available", remedy)
    else:
        yield well("memory", f"{_size(available)} are available")


def open_files(settings: Settings) -> Iterable[Finding]:  # noqa: ARG001
    """Whether enough files and connections may be open at once."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < OPEN_FILES_AT_LEAST:
        says = f"{limit} may be open at once; connections, clips and the index take one each"
        yield warning("open files", "few_open_files", says, f"raise it: ulimit -n {OPEN_FILES_AT_LEAST}")
    else:
        yield well("open files", "enough may be open at once")


def disks(settings: Settings) -> Iterable[Finding]:
    """Whether the data folder and the folder of temporary files can be written, and have room."""
    for name, folder, needed in (
        ("data folder", settings.data_dir, DISK_LOW_BELOW_BYTES),
        ("temporary files", Path(tempfile.gettempdir()), 4 * settings.upload_bytes),
    ):
        yield _disk(name, folder, needed)


def has_avx2() -> bool:
    """Whether the processor has AVX2, is of another kind than x86, or does not say what it has."""
    if not CPU.exists():
        return True
    flags = set(CPU.read_text().partition("\nflags")[2].partition("\n")[0].split())
    return "avx2" in flags or "sse2" not in flags


def usable_cores() -> float:
    """Cores this process may use: those it may run on, and of these what a container was given."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if CGROUP_QUOTA.exists():
        quota, period = CGROUP_QUOTA.read_text().split()
        if quota != "max":
            cores = min(cores, int(quota) / int(period))
    return cores


def _disk(name: str, folder: Path, needed: int) -> Finding:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < DISK_FULL_BELOW_BYTES:
        says = f"the disk of {folder} is full: {_size(free)} are free"
        return problem(name, "disk_full", says, "make room: what is written now fails, though nothing is lost by it")
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        says = f"{there} cannot be written: {error.strerror}"
        remedy = "let this user write it, mount it for writing, or name another one: FACET_DATA_DIR, or TMPDIR"
        return problem(name, "not_writable", says, remedy)
    if free < needed:
        says = f"{_size(free)} are free on the disk of {folder}: a snapshot, a backup or large clips may not fit"
        return warning(name, "disk_low", says, "make room soon")
    return well(name, f"{folder}: {_size(free)} are free")


def _size(size_bytes: float) -> str:
    return f"{size_bytes / GIB:.1f} GiB" if size_bytes >= GIB else f"{size_bytes / MIB:.0f} MiB"

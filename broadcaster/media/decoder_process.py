"""Pictures decoded in a child process: limited in memory and time, so that no upload takes
either from the web process.
"""

import contextlib
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from broadcaster.domain.refusal_codes import PictureCode
from broadcaster.media import images
from broadcaster.media.images import BadPicture, Picture

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Limits for one picture; the largest accepted one needs about 700 MiB and two seconds."""

    memory_bytes: int = 1_200 * MIB
    cpu_seconds: int = 15
    wall_seconds: float = 60.0


def read(data: bytes, bounds: Bounds | None = None) -> Picture:
    """Apply `images.read` in a child that is killed when it exceeds the bounds. Raises
    BadPicture. Blocks: call it in a thread.
    """
    limits = bounds or Bounds()
    images.require_size(data)  # a refusal by size alone needs no child
    command = [sys.executable, "-m", __name__, str(limits.memory_bytes), str(limits.cpu_seconds)]
    try:
        result = subprocess.run(  # noqa: S603  our own module
            command, input=data, stdout=subprocess.PIPE, timeout=limits.wall_seconds, check=False
        )
    except subprocess.TimeoutExpired as timeout:
        raise BadPicture(PictureCode.PICTURE_TOO_COSTLY) from timeout
    if result.returncode != 0 or not result.stdout:
        raise BadPicture(PictureCode.PICTURE_TOO_COSTLY)
    return _unpacked(result.stdout)


def _packed(picture: Picture) -> bytes:
    sizes = {name: len(body) for name, body in picture.files.items()}
    head = {"id": picture.id, "width": picture.width, "height": picture.height, "sizes": sizes}
    return json.dumps(head).encode() + b"\n" + b"".join(picture.files.values())


def _refusal(refused: BadPicture) -> bytes:
    answer = {"problem": refused.code, "parameters": refused.parameters}
    return json.dumps(answer).encode() + b"\n"


def _unpacked(answer: bytes) -> Picture:
    header, _, bodies = answer.partition(b"\n")
    summary = json.loads(header)
    if "problem" in summary:
        raise BadPicture(PictureCode(summary["problem"]), **summary["parameters"])
    files: dict[str, bytes] = {}
    for name, size in summary["sizes"].items():
        files[name], bodies = bodies[:size], bodies[size:]
    return Picture(id=summary["id"], width=summary["width"], height=summary["height"], files=files)


def _bind(memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process; where memory is short, the kernel kills it before any other."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # not Linux, or not permitted: the other limits hold
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Decode the picture on standard input; write its sizes, or the refusal, to standard output."""
    _bind(int(sys.argv[1]), int(sys.argv[2]))
    try:
        answer = _packed(images.read(sys.stdin.buffer.read()))
    except BadPicture as refused:
        answer = _refusal(refused)
    except MemoryError:
        answer = _refusal(BadPicture(PictureCode.PICTURE_TOO_COSTLY))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()

"""The program `broadcaster`: its commands, and the reporting of their errors (one clear line;
exit 2 for usage, 1 for failure).
"""

import atexit
import gc
import os
import sys
from typing import Annotated, NoReturn

import typer

from broadcaster.commands import usage
from broadcaster.commands.lazy_group import CommandEntry, LazyGroup

ENTRIES = {
    "demo": CommandEntry(
        target="processes:demo",
        summary=(
            "Kota contoh dengan penyedia tiruan: semua kanal berjalan, "
            "tidak ada pesan keluar dari komputer ini."
        ),
    ),
    "run": CommandEntry(
        target="processes:run",
        summary=(
            "Jalankan semuanya di satu mesin: web, worker, dan Valkey bawaan "
            "bila BROADCASTER_REDIS_URL kosong."
        ),
    ),
    "web": CommandEntry(target="processes:web", summary="Jalankan server web saja."),
    "worker": CommandEntry(target="processes:worker", summary="Jalankan worker pengiriman."),
    "providers": CommandEntry(
        target="processes:providers", summary="Penyedia tiruan untuk demo.", hidden=True
    ),
    "migrate": CommandEntry(
        target="maintenance:migrate", summary="Siapkan atau perbarui basis data."
    ),
    "doctor": CommandEntry(
        target="maintenance:doctor",
        summary=(
            "Periksa setelan, basis data, Redis, kanal, alamat, dan jam; "
            "katakan apa yang perlu diperbaiki."
        ),
    ),
    "adopt": CommandEntry(
        target="maintenance:adopt",
        summary=(
            "Nyatakan bahwa basis data yang disalin, dipindahkan, atau dipulihkan ini "
            "sekarang bertugas di sini: pesan dikirim lagi."
        ),
    ),
    "preview": CommandEntry(
        target="announcements:preview",
        summary=(
            "Tampilkan apa yang akan dikatakan satu kanal; tidak ada yang dikirim atau disimpan."
        ),
    ),
    "publish": CommandEntry(
        target="announcements:publish",
        summary="Terbitkan satu pengumuman; selesai begitu tersimpan aman.",
    ),
    "show": CommandEntry(
        target="status:show",
        summary=(
            "Tampilkan perjalanan satu pengumuman: per kanal, per wilayah, "
            "apa yang gagal dan apa yang menunggu."
        ),
    ),
    "failed": CommandEntry(
        target="failed:failed",
        summary=(
            "Daftar pengiriman yang tidak sampai atau belum pasti: "
            "kanal, wilayah, sebab, kode penyedia, berapa kali dicoba, kapan."
        ),
    ),
    "retry-failed": CommandEntry(
        target="controls:retry_failed",
        summary=(
            "Kirim sekali lagi kepada semua yang gagal atau belum pasti; "
            "katakan berapa, dan siapa yang tidak ikut."
        ),
    ),
    "pause": CommandEntry(target="controls:pause", summary="Jeda pengiriman sampai dilanjutkan."),
    "resume": CommandEntry(target="controls:resume", summary="Lanjutkan pengiriman yang dijeda."),
    "cancel": CommandEntry(
        target="controls:cancel",
        summary="Hentikan pengiriman; yang sudah berangkat tidak dapat ditarik.",
    ),
    "subscribers": CommandEntry(
        target="subscribers:program", summary="Pelanggan: impor, ekspor, hapus, hitung."
    ),
    "areas": CommandEntry(target="areas:program", summary="Wilayah: daftar, impor."),
    "token": CommandEntry(target="tokens:program", summary="Token API: tambah, daftar, cabut."),
    "channel": CommandEntry(
        target="channels:program",
        summary="Kanal: keadaan, lanjutkan, penonaktifan yang ditahan.",
    ),
    "user": CommandEntry(
        target="users:program",
        summary="Akun staf: tambah, daftar, nonaktifkan, aktifkan, ganti kata sandi.",
    ),
    "audit": CommandEntry(
        target="audit:program", summary="Catatan audit: buktikan rantainya, ekspor."
    ),
}
"""All commands, in the order of the help."""


class Program(LazyGroup):
    """The commands of `broadcaster`."""

    entries = ENTRIES


program = typer.Typer(
    name="broadcaster",
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from broadcaster.runtime.version import version  # noqa: PLC0415  quick start

        sys.stdout.write(f"Siaran Cimahi {version()}\n")
        raise typer.Exit


def _set_log_level(level: str) -> None:
    """Check the level and set it for this process and those that it starts."""
    if level:
        from broadcaster.domain.setting_values import check_log_level  # noqa: PLC0415  quick start
        from broadcaster.runtime import config  # noqa: PLC0415  quick start

        try:
            config.set_log_level(check_log_level(level))
        except ValueError as error:
            raise typer.BadParameter(f"{error}.", param_hint="--log-level") from error


@program.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Cetak versi program.", is_eager=True, callback=_print_version
        ),
    ] = False,
    log_level: Annotated[
        str,
        typer.Option(
            help="debug, info, warning, atau error; kosong: setelan BROADCASTER_LOG_LEVEL."
        ),
    ] = "",
) -> None:
    """Siaran Cimahi: satu pengumuman, lima kanal, tidak ada yang hilang."""
    _set_log_level(log_level)


def main() -> None:
    """Run the program; every expected failure is one line on standard error and exit code 1."""
    atexit.register(gc.freeze)  # else the last collection takes a fifth of a short command's time
    try:
        try:
            code = program(prog_name="broadcaster", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except usage.NoArguments as error:
        error.show()  # the list of commands
        raise SystemExit(2) from None
    except usage.UsageError as error:
        _fail(usage.sentence(error), code=2)
    except typer.Abort:
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader has closed the pipe: `doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:  # what is foreseen has words, the rest is raised again
        # imported late: it needs the database library, which a successful command may not
        from broadcaster.commands.failures import explained  # noqa: PLC0415  quick start

        words = explained(error)
        if words is None:
            raise
        _fail(words)
    raise SystemExit(code if isinstance(code, int) else 0)


def _fail(text: str, *, code: int = 1) -> NoReturn:
    sys.stderr.write(text + "\n")
    raise SystemExit(code)

"""Route table: every address of the site, its access, and its entry in the OpenAPI document."""

from broadcaster.app import App
from broadcaster.newsroom.forms import FORM_BYTES
from broadcaster.web import simulation
from broadcaster.web.api import announcements, areas, developers, openapi, schemas, subscribers
from broadcaster.web.base import static_files
from broadcaster.web.base.authorization import Operation, Row
from broadcaster.web.base.bulkhead import bounded
from broadcaster.web.base.page_cache import shared
from broadcaster.web.machines import health, webhooks
from broadcaster.web.public import (
    announcement,
    archive,
    media,
    privacy,
    pull_channels,
    subscribe,
    unsubscribe,
    verify,
)
from broadcaster.web.staff import (
    account,
    account_factor,
    account_mail,
    account_password,
    addresses,
    announcement_list,
    announcement_page,
    audit,
    channels,
    compose,
    corrections,
    emergency,
    failed_csv,
    help,
    history,
    home,
    link_chat,
    pictures,
    review,
    sending,
    sendings,
    signin,
    sso,
    templates,
    trial_send,
    user_actions,
    users,
)

ANNOUNCEMENTS = "/api/v1/announcements"
JSON_BYTES = 256 * 1024
"""Largest API request, ten times the longest announcement in three languages."""

RESIDENTS = (
    Row("/", shared(archive.show, query=archive.known_query), access="public"),
    Row("/p/{code}.json", bounded(announcement.signed), access="public"),
    Row("/p/{code}", shared(announcement.show), access="public"),
    Row("/daftar", shared(subscribe.show), access="public"),
    Row("/cek", shared(verify.show, query=verify.known_query), access="public", guessing=True),
    Row("/berhenti/{token}", unsubscribe.ask, access="signed token"),
    Row("/berhenti/{token}", unsubscribe.stop, access="signed token", methods=("POST",)),
    Row("/privasi", shared(privacy.show), access="public"),
    Row("/media/{id}/{variant}.jpg", media.show, access="public"),
    Row("/static/{path:path}", static_files.show, access="public"),
    Row("/favicon.ico", static_files.favicon, access="public"),
    Row("/robots.txt", static_files.robots, access="public"),
)

MACHINES = (
    Row("/healthz", health.alive, access="public"),
    Row("/readyz", health.ready, access="public"),
    Row("/metrics", health.show_metrics, access="public"),
    Row("/webhook/{channel}", webhooks.challenge, access="provider signature"),
    Row(
        "/webhook/{channel}",
        webhooks.receive,
        access="provider signature",
        methods=("POST",),
        cap=webhooks.BODY_BYTES,
    ),
)

API = (
    Row("/api/v1/", shared(developers.show), access="public"),
    Row("/api/v1/openapi.json", openapi.show, access="public"),
    Row(
        ANNOUNCEMENTS, announcements.create,
        access="token:write", methods=("POST",), cap=JSON_BYTES,
        operation=Operation(
            summary="Write an announcement, and publish it at once if asked",
            body=schemas.NewAnnouncement, answer=schemas.Published, status=201, idempotent=True,
        ),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}", announcements.read, access="token:read",
        operation=Operation(summary="What became of an announcement", answer=schemas.Status),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/pause", announcements.pause,
        access="token:publish", methods=("POST",),
        operation=Operation(
            summary="Stop sending until resumed", body=schemas.Reason, answer=schemas.Status
        ),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/resume", announcements.resume,
        access="token:publish", methods=("POST",),
        operation=Operation(summary="Go on where it was paused", answer=schemas.Status),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/cancel", announcements.cancel,
        access="token:publish", methods=("POST",),
        operation=Operation(
            summary="Send nothing more of it", body=schemas.Reason, answer=schemas.Status
        ),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/retry-failed", announcements.retry_failed,
        access="token:publish", methods=("POST",),
        operation=Operation(summary="Try once more where it failed", answer=schemas.Retried),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/correct", announcements.correct,
        access="token:publish", methods=("POST",), cap=JSON_BYTES,
        operation=Operation(
            summary="Publish a corrected edition",
            body=schemas.CorrectedAnnouncement, answer=schemas.Published, idempotent=True,
        ),
    ),
    Row(
        ANNOUNCEMENTS + "/{id}/withdraw", announcements.withdraw,
        access="token:publish", methods=("POST",),
        operation=Operation(
            summary="Withdraw it",
            body=schemas.WithdrawalReason, answer=schemas.Published, idempotent=True,
        ),
    ),
    Row(
        "/api/v1/areas", areas.areas, access="token:read",
        operation=Operation(summary="Every area with its code and slug", answer=schemas.Areas),
    ),
    Row(
        "/api/v1/subscribers", subscribers.add, access="token:write", methods=("POST",),
        operation=Operation(
            summary="Add or change one subscriber, as a row of the CSV does",
            body=schemas.NewSubscriber, answer=schemas.SubscriberAnswer,
        ),
    ),
)  # fmt: skip

ONE = "/redaksi/pengumuman/{id}"

STAFF = (
    Row("/redaksi/masuk", signin.show, access="public"),
    Row("/redaksi/masuk", signin.enter_password, access="public", methods=("POST",)),
    Row("/redaksi/masuk/kode", signin.ask_code, access="public"),
    Row("/redaksi/masuk/kode", signin.enter_code, access="public", methods=("POST",)),
    Row("/redaksi/masuk/sso", sso.begin, access="public", guessing=True),
    Row("/redaksi/masuk/sso/kembali", sso.callback, access="public", guessing=True),
    Row("/redaksi/masuk/sso/tetap", sso.show_kept_role, access="staff:own"),
    Row("/redaksi/masuk/sso/keluar", sso.signed_out, access="public"),
    Row("/redaksi/keluar", sso.sign_out, access="staff:own", methods=("POST",)),
    Row("/redaksi/", home.show, access="staff:read"),
    Row("/redaksi/bantuan", help.show, access="staff:read"),
    Row("/redaksi/pengumuman", announcement_list.show, access="staff:read"),
    Row("/redaksi/pengumuman/{id}", announcement_page.show, access="staff:read"),
    Row("/redaksi/tulis", compose.begin, access="staff:write"),
    Row(
        "/redaksi/tulis",
        compose.create,
        access="staff:write",
        methods=("POST",),
        cap=pictures.FORM_BYTES,
        files=1,
        again=compose.show_again,
    ),
    Row(
        "/redaksi/simpan",
        compose.begin_autosave,
        access="staff:write",
        methods=("POST",),
        cap=compose.FORM_BYTES,
    ),
    Row(
        "/redaksi/pratinjau",
        compose.preview,
        access="staff:write",
        methods=("POST",),
        cap=compose.FORM_BYTES,
        files=1,
    ),
    Row("/redaksi/gambar", pictures.show, access="staff:write"),
    Row(
        "/redaksi/gambar",
        pictures.upload,
        access="staff:write",
        methods=("POST",),
        cap=pictures.FORM_BYTES,
        files=1,
    ),
    Row(ONE + "/tulis", compose.edit, access="staff:write"),
    Row(
        ONE + "/tulis",
        compose.save,
        access="staff:write",
        methods=("POST",),
        cap=pictures.FORM_BYTES,
        files=1,
        again=compose.show_again,
    ),
    Row(
        ONE + "/simpan",
        compose.autosave,
        access="staff:write",
        methods=("POST",),
        cap=compose.FORM_BYTES,
    ),
    Row(ONE + "/surat/{channel}", compose.html_part, access="staff:read"),
    Row(ONE + "/periksa", review.show, access="staff:read"),
    Row(ONE + "/ajukan", review.submit, access="staff:write", methods=("POST",)),
    Row(ONE + "/setujui", review.approve, access="staff:approve", methods=("POST",)),
    Row(ONE + "/kembalikan", review.send_back, access="staff:approve", methods=("POST",)),
    Row(ONE + "/tolak", review.reject, access="staff:approve", methods=("POST",)),
    Row(ONE + "/terbitkan", review.publish, access="staff:approve", methods=("POST",)),
    Row(ONE + "/batalkan", review.call_back, access="staff:steer", methods=("POST",)),
    Row(ONE + "/batalkan-jadwal", review.unschedule, access="staff:steer", methods=("POST",)),
    Row(ONE + "/arsipkan", review.archive, access="staff:steer", methods=("POST",)),
    Row(ONE + "/duplikat", review.duplicate, access="staff:write", methods=("POST",)),
    Row(ONE + "/pulihkan", review.restore, access="staff:write", methods=("POST",)),
    Row(ONE + "/riwayat", history.show, access="staff:read"),
    Row(ONE + "/darurat", review.break_glass, access="staff:write", methods=("POST",)),
    Row("/redaksi/darurat", emergency.show, access="staff:write"),
    Row(
        "/redaksi/darurat",
        emergency.submit,
        access="staff:write",
        methods=("POST",),
        cap=FORM_BYTES,
        again=emergency.show_again,
    ),
    Row("/redaksi/alarm", emergency.alarm, access="staff:approve", by_itself=True),
    Row("/redaksi/pengiriman", sendings.show, access="staff:read"),
    Row("/redaksi/pengiriman/{id}", sending.show, access="staff:read"),
    Row("/redaksi/pengiriman/{id}/aliran", sending.stream, access="staff:read", by_itself=True),
    Row("/redaksi/pengiriman/{id}/gagal.csv", failed_csv.show, access="staff:read"),
    Row("/redaksi/pengiriman/{id}/jeda", sending.steer, access="staff:steer", methods=("POST",)),
    Row("/redaksi/pengiriman/{id}/lanjut", sending.steer, access="staff:steer", methods=("POST",)),
    Row(
        "/redaksi/pengiriman/{id}/hentikan", sending.steer, access="staff:steer", methods=("POST",)
    ),
    Row(
        "/redaksi/pengiriman/{id}/coba-lagi", sending.retry, access="staff:steer", methods=("POST",)
    ),
    Row("/redaksi/pengumuman/{id}/ralat", corrections.show_correction, access="staff:read"),
    Row(
        "/redaksi/pengumuman/{id}/ralat",
        corrections.correct,
        access="staff:write",
        methods=("POST",),
        cap=FORM_BYTES,
        again=corrections.show_again,
    ),
    Row("/redaksi/pengumuman/{id}/cabut", corrections.show_withdrawal, access="staff:read"),
    Row(
        "/redaksi/pengumuman/{id}/cabut",
        corrections.withdraw,
        access="staff:write",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengumuman/{id}/usulan/setujui",
        corrections.approve,
        access="staff:approve",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengumuman/{id}/usulan/batalkan",
        corrections.call_back,
        access="staff:steer",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengumuman/{id}/usulan/tolak",
        corrections.refuse,
        access="staff:approve",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengumuman/{id}/usulan/tarik",
        corrections.take_back,
        access="staff:write",
        methods=("POST",),
    ),
    Row(ONE + "/uji", trial_send.show, access="staff:write"),
    Row(ONE + "/uji", trial_send.send, access="staff:write", methods=("POST",)),
    Row(ONE + "/templat", templates.keep, access="staff:write", methods=("POST",)),
    Row("/redaksi/templat", templates.show, access="staff:read"),
    Row("/redaksi/templat/{id}/pakai", templates.use, access="staff:write", methods=("POST",)),
    Row(
        "/redaksi/templat/{id}/ganti-nama",
        templates.rename,
        access="staff:write",
        methods=("POST",),
    ),
    Row("/redaksi/templat/{id}/hapus", templates.delete, access="staff:write", methods=("POST",)),
    Row("/redaksi/akun/telegram", link_chat.begin, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/telegram/lepas", link_chat.unlink, access="staff:own", methods=("POST",)),
    Row("/redaksi/kanal", channels.show, access="staff:read"),
    Row("/redaksi/kanal/{name}/lanjut", channels.resume, access="staff:steer", methods=("POST",)),
    Row("/redaksi/kanal/{name}/tahanan", channels.decide, access="staff:steer", methods=("POST",)),
    Row("/redaksi/akun", account.show, access="staff:own"),
    Row("/redaksi/akun/kabar", account_mail.change, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/kabar/kode", account_mail.confirm, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/sandi", account_password.show, access="staff:own"),
    Row("/redaksi/akun/sandi", account_password.change, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/kode", account_factor.show, access="staff:own"),
    Row("/redaksi/akun/kode", account_factor.turn_on, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/kode/hapus", account_factor.ask, access="staff:own"),
    Row("/redaksi/akun/kode/hapus", account_factor.act, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/kode/pemulihan", account_factor.ask, access="staff:own"),
    Row("/redaksi/akun/kode/pemulihan", account_factor.act, access="staff:own", methods=("POST",)),
    Row("/redaksi/akun/sesi/akhiri", account.end_sessions, access="staff:own", methods=("POST",)),
    Row(
        "/redaksi/akun/sesi/{id}/akhiri",
        account.end_session,
        access="staff:own",
        methods=("POST",),
    ),
    Row("/redaksi/pengguna", users.show, access="staff:manage"),
    Row("/redaksi/pengguna/baru", users.begin, access="staff:manage"),
    Row("/redaksi/pengguna/baru", users.create, access="staff:manage", methods=("POST",)),
    Row("/redaksi/pengguna/{id}", users.edit, access="staff:manage"),
    Row("/redaksi/pengguna/{id}", users.save, access="staff:manage", methods=("POST",)),
    Row(
        "/redaksi/pengguna/{id}/nonaktif",
        user_actions.disable,
        access="staff:manage",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengguna/{id}/aktif",
        user_actions.enable,
        access="staff:manage",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengguna/{id}/sandi",
        user_actions.reset_password,
        access="staff:manage",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengguna/{id}/kode",
        user_actions.remove_second_factor,
        access="staff:manage",
        methods=("POST",),
    ),
    Row(
        "/redaksi/pengguna/{id}/sesi",
        user_actions.end_sessions,
        access="staff:manage",
        methods=("POST",),
    ),
    Row("/redaksi/audit", audit.show, access="staff:manage"),
    Row("/redaksi/audit.csv", audit.export, access="staff:manage"),
    Row("/redaksi/audit.jsonl", audit.export, access="staff:manage"),
)
"""Newsroom pages. Public rows are those of signing in; every other row names a right."""

DEMO = (
    Row("/simulasi", simulation.show, access="demo"),
    Row("/simulasi/keadaan", simulation.state, access="demo"),
    Row("/simulasi/kemajuan/{id}", simulation.progress, access="demo"),
    Row("/simulasi/surat/{area}/{id}", simulation.mail, access="demo"),
    Row("/simulasi/terbitkan", simulation.publish, access="demo", methods=("POST",)),
    Row("/simulasi/lagi", simulation.renew_drafts, access="demo", methods=("POST",)),
    Row("/simulasi/gangguan", simulation.set_faults, access="demo", methods=("POST",)),
    Row("/simulasi/ketik", simulation.reply, access="demo", methods=("POST",)),
)
"""Pages of the simulation, each with access "demo": they answer 404 outside the demo."""


def table(app: App) -> tuple[Row, ...]:
    """Return all rows: the fixed ones, one per path of each pull channel, and the ways back from
    newsroom forms.
    """
    return (
        *RESIDENTS,
        *pull_channels.rows(app),
        *MACHINES,
        *API,
        *STAFF,
        *addresses.ways_back(STAFF),
        *DEMO,
    )

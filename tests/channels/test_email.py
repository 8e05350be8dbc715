"""Email: the message as a mailbox gets it, settings, and what the doctor finds."""

import re
import ssl
from collections import Counter
from dataclasses import replace
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from broadcaster.domain.editions import default_summary, withdrawal
from broadcaster.simulation.smtp import SmtpStandIn, received_parts
from channels.base.contract import Area, BadAddress, Claim, Edition, Image, Receipt, Wording
from channels.base.rendering import one_line
from channels.base.smtp.envelope import sound_lines
from channels.email import Email, Settings, open_channel, parse_address
from support import samples
from support.wording import refuses

BOUNCES = "bounce.info.cimahi.example"


def channel(
    url: str = "", *, simulated: bool = False, tls: ssl.SSLContext | None = None, **settings: object
) -> Email:
    """Return the channel for the server at `url`, on 4 connections by default."""
    values = {
        "url": url,
        "from_": "info@info.cimahi.example",
        "bounce_domain": BOUNCES,
        "connections": 4,
        "timeout": 5,
    }
    return Email(
        Settings(site=samples.site(simulated=simulated), **{**values, **settings}), tls=tls
    )


def mail(edition: Edition | None = None, lang: str = "id", **changes: object) -> EmailMessage:
    """Return one message to Siti, as the standard library parses it."""
    mailer = channel()
    recipient = msgspec.structs.replace(samples.recipient("siti@contoh.example"), **changes)  # type: ignore[arg-type]
    outgoing = mailer.personalise(mailer.render(edition or samples.notice(), lang), recipient)
    message = message_from_bytes(outgoing.payload.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def sample_news() -> list[str]:
    """Return the bodies of the demo's news."""
    raw = yaml.safe_load(Path("broadcaster/simulation/news.yaml").read_text(encoding="utf-8"))
    return [
        item["body"]
        for items in raw.values()
        if isinstance(items, list)
        for item in items
        if "body" in item
    ]


# --- lines ----------------------------------------------------------------------------------------

LINE = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
NOTICE = channel().render(samples.notice(), "id")


@given(address=LINE, token=LINE, key=LINE, name=LINE, slug=LINE)
def test_no_recipient_can_break_a_line_of_a_message_that_calls_itself_sound(
    address: str, token: str, key: str, name: str, slug: str
) -> None:
    mailer = channel()
    area = Area(code="32.77.03.1002", name=one_line(name), slug=one_line(slug))
    odd = msgspec.structs.replace(
        samples.recipient(f"{address}@contoh.example"), token=token, address_key=key, area=area
    )
    envelope = mailer.personalise(NOTICE, odd).payload
    assert not envelope.sound or sound_lines(envelope.data)


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("sample", samples.editions())
def test_usual_messages_need_no_repair(sample: str, lang: str) -> None:
    mailer = channel()
    for address in ("siti@contoh.example", "sité@contoh.example"):
        envelope = mailer.personalise(
            mailer.render(samples.editions()[sample], lang), samples.recipient(address)
        ).payload
        assert envelope.sound and sound_lines(envelope.data)


# --- what a mailbox gets --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("sample", samples.editions())
async def test_the_mailbox_gets_what_the_preview_shows(sample: str, lang: str) -> None:
    server = SmtpStandIn()
    async with server.running() as url:
        mailer = channel(url)
        message = mailer.personalise(
            mailer.render(samples.editions()[sample], lang),
            samples.recipient("siti@contoh.example"),
        )
        outcomes = [
            type(result.outcome) async for result in mailer.send([message], may_write=lambda: True)
        ]
        await mailer.aclose()
    assert outcomes == [Receipt]
    (received,) = server.inbox("siti@contoh.example")
    assert received_parts(received.raw) == mailer.preview(message)
    assert received.raw == message.payload.data


def test_the_headers_let_a_resident_stop_with_one_press() -> None:
    token = samples.recipient("x").token
    message = mail()
    assert message["List-Unsubscribe"] == f"<https://info.cimahi.example/berhenti/{token}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("bounces", ["", BOUNCES])
def test_no_mailbox_is_offered_for_stopping_that_nobody_reads(bounces: str) -> None:
    mailer = channel(bounce_domain=bounces)
    data = mailer.personalise(
        mailer.render(samples.notice(), "id"), samples.recipient("siti@contoh.example")
    ).payload.data
    assert b"mailto:" not in data


def test_one_recipient_one_sender_and_no_answer_from_robots() -> None:
    message = mail()
    assert message["From"] == "Info Kota Cimahi <info@info.cimahi.example>"
    assert message["To"] == "siti@contoh.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Bcc"] is None and message["Cc"] is None
    assert message["Date"].datetime == samples.NOW
    assert message["MIME-Version"] == "1.0"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not message.defects


@pytest.mark.parametrize(
    ("area", "list_id"),
    [
        (samples.CIBABAT, "Kelurahan Cibabat <cibabat.kelurahan.info.cimahi.example>"),
        (
            samples.KELURAHAN_CIMAHI,
            "Kelurahan Cimahi <kelurahan-cimahi.kelurahan.info.cimahi.example>",
        ),
        (
            samples.CIMAHI_UTARA,
            "Kecamatan Cimahi Utara <cimahi-utara.kecamatan.info.cimahi.example>",
        ),
        (samples.CITY, "Kota Cimahi <cimahi.kota.info.cimahi.example>"),
    ],
)
def test_the_list_is_the_area_the_resident_signed_up_for(area: Area, list_id: str) -> None:
    message = mail(area=area)
    assert message["List-Id"] == list_id
    body = message.get_body(("plain",))
    assert body is not None
    assert f"Anda mendaftar untuk {area.full_name} pada 3 Nov 2026." in body.get_content()


def test_a_name_with_signs_stays_a_name_in_every_part() -> None:
    area = Area(code="32.77.03.1009", name="Ci<b>\"&' é", slug="ci")
    message = mail(area=area)
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and page is not None
    assert "untuk Kelurahan Ci<b>\"&' é pada" in text.get_content()
    assert "untuk Kelurahan Ci&lt;b&gt;&quot;&amp;&#x27; é pada" in page.get_content()
    assert str(message["List-Id"]) == f"{area.full_name} <ci.kelurahan.info.cimahi.example>"


def test_the_date_of_signing_up_is_in_the_words_of_the_language() -> None:
    for lang, words in (("id", "pada 5 Mei 2026."), ("en", "on 5 May 2026.")):
        body = mail(None, lang, since=date(2026, 5, 5)).get_body(("plain",))
        assert body is not None
        assert words in body.get_content()


def test_the_message_id_is_the_same_on_every_attempt_and_another_for_each_address() -> None:
    first, again, other = (
        mail(),
        mail(attempt=2, delivery="e41.email.7.2"),
        mail(address_key="lain"),
    )
    assert (
        first["Message-ID"]
        == again["Message-ID"]
        == f"<{samples.notice().key}.k5xw2zlsoq4dgnbv@info.cimahi.example>"
    )
    assert other["Message-ID"] != first["Message-ID"]


def test_a_correction_refers_to_the_message_it_corrects() -> None:
    assert mail(samples.correction())["References"] == mail()["Message-ID"]
    assert mail()["References"] is None
    third = mail(samples.notice(number=3, change="correction"))["References"].split()
    assert third == [mail()["Message-ID"], mail(samples.correction())["Message-ID"]]


@pytest.mark.parametrize(
    ("edition", "lang", "prefix"),
    [
        (samples.notice(), "id", ""),
        (samples.clarification(), "id", ""),
        (samples.alert(level="important"), "id", ""),
        (samples.alert(), "id", "[Darurat] "),
        (samples.alert(), "en", "[Emergency] "),
        (samples.correction(), "id", "[Ralat] "),
        (samples.withdrawal(), "id", "[Dicabut] "),
        (samples.alert(change="correction", number=2), "id", "[Darurat] [Ralat] "),
        (samples.alert(change="withdrawal", number=2), "id", "[Dicabut] "),
        (samples.alert(change="withdrawal", number=2), "en", "[Withdrawn] "),
    ],
)
def test_the_subject_is_the_title_behind_at_most_what_matters(
    edition: Edition, lang: str, prefix: str
) -> None:
    assert mail(edition, lang)["Subject"] == prefix + edition.wording(lang).title


def test_a_simulated_message_says_so_in_subject_text_and_html() -> None:
    mailer = channel(simulated=True)
    parts = mailer.preview(
        mailer.personalise(
            mailer.render(samples.notice(), "id"), samples.recipient("siti@contoh.example")
        )
    )
    assert parts["subject"].startswith("[SIMULASI] ")
    assert "[SIMULASI]" in parts["text"]
    assert "[SIMULASI]" in parts["html"]


def test_bounces_come_back_to_an_address_that_names_the_delivery() -> None:
    mailer = channel()
    outgoing = mailer.personalise(
        mailer.render(samples.notice(), "id"), samples.recipient("siti@contoh.example")
    )
    assert outgoing.payload.sender == f"bounce+e41.email.1029384.1.k5xw2zls@{BOUNCES}"
    local = outgoing.payload.sender.split("@")[0]
    assert len(local) <= 64 and local == local.lower()


def test_without_room_or_domain_for_that_bounces_go_to_the_sender() -> None:
    for mailer, delivery in ((channel(bounce_domain=""), "e1"), (channel(), "e" * 60)):
        recipient = samples.recipient("siti@contoh.example", delivery=delivery)
        assert (
            mailer.personalise(mailer.render(samples.notice(), "id"), recipient).payload.sender
            == "info@info.cimahi.example"
        )


def test_the_sender_may_have_a_name_of_its_own() -> None:
    mailer = channel(from_='"Pemkot Cimahi, Humas" <humas@cimahi.example>')
    parts = mailer.preview(
        mailer.personalise(
            mailer.render(samples.notice(), "id"), samples.recipient("siti@contoh.example")
        )
    )
    assert parts["from"] == '"Pemkot Cimahi, Humas" <humas@cimahi.example>'


def test_a_token_of_any_form_is_safe_in_the_links() -> None:
    for token in ("a" * 200, ".x.y", "a/b?c=d&e", "x y\r\nBcc: z@contoh.example"):
        message = mail(token=token)
        link = re.match(
            r"<https://info\.cimahi\.example/berhenti/([^>/?\s]+)>",
            message["List-Unsubscribe"].replace(" ", ""),
        )
        assert link
        page = message.get_body(("html",))
        assert page is not None
        assert f'href="https://info.cimahi.example/berhenti/{link[1]}"' in page.get_content()
        assert message["Bcc"] is None


def test_a_withdrawal_does_not_repeat_what_no_longer_holds() -> None:
    edition = msgspec.structs.replace(
        samples.alert(), change="withdrawal", number=2, reason="Air sudah surut."
    )
    for part in mail(edition).iter_parts():
        content = part.get_content()
        assert "Air sudah surut." in content
        assert "Matikan listrik" not in content
        assert "Posko" not in content
        assert edition.code in content


@pytest.mark.parametrize(
    "edition",
    [samples.notice(), samples.alert(), samples.alert(level="important"), samples.clarification()],
)
@pytest.mark.parametrize(
    ("lang", "first", "holds"),
    [("id", "DICABUT", "tidak berlaku lagi"), ("en", "WITHDRAWN", "no longer holds")],
)
def test_a_withdrawal_says_first_that_it_no_longer_holds(
    edition: Edition, lang: str, first: str, holds: str
) -> None:
    withdrawn = withdrawal(edition, reason="Salah kirim.", at=samples.WITHDRAWN)
    message = mail(withdrawn, lang)
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and page is not None
    opening = text.get_content().splitlines()[0]
    assert opening.startswith(first) and holds in opening
    body = page.get_content().partition("<body")[2]
    assert body.index(holds) < body.index("Salah kirim.") < body.index("<h1")
    for content in (text.get_content(), body):
        for alarming in (
            "PERINGATAN",
            "EMERGENCY WARNING",
            "Lakukan sekarang",
            "Do this now",
            "#9d0f10",
            "bit.example",
        ):
            assert alarming not in content


def test_a_withdrawn_emergency_is_named_as_one_and_no_longer_marked_as_urgent() -> None:
    message = mail(withdrawal(samples.alert(), reason="Salah kirim.", at=samples.WITHDRAWN))
    assert message["Subject"] == "[Dicabut] Cuaca: peringatan darurat 25 Nov 2026 07.43 WIB"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines()[:4] == [
        "DICABUT 25 Nov 2026 09.40 WIB: peringatan darurat ini tidak berlaku lagi.",
        "Alasan: Salah kirim.",
        "Abaikan peringatan darurat yang kami kirim sebelumnya.",
        "",
    ]


def only_indonesian(edition: Edition) -> Edition:
    """Return the edition without its English words."""
    return msgspec.structs.replace(edition, wordings={"id": edition.wording("id")})


def test_words_without_a_translation_are_marked_with_their_language() -> None:
    message = mail(only_indonesian(samples.alert()), "en")
    page = message.get_body(("html",))
    assert page is not None
    markup = page.get_content()
    assert '<html lang="en">' in markup
    for piece in (
        '<h1 lang="id">Banjir',
        '<p class="lead" lang="id">Pindah',
        '<div class="body" lang="id">',
    ):
        assert piece in markup
    assert "<h2>Do this now</h2>" in markup
    assert re.search(r'<div lang="id">\s*<ol>\s*<li>Pindah ke tempat tinggi', markup)


@pytest.mark.parametrize(
    ("edition", "lang", "languages"),
    [
        (samples.notice(), "id", "id"),
        (samples.notice(), "en", "en"),
        (only_indonesian(samples.notice()), "en", "en, id"),
        (samples.correction(), "id", "id"),
        (samples.correction(), "en", "en, id"),
        (samples.clarification(), "en", "en, id"),
        (samples.notice(), "su", "id"),
        (
            samples.notice(
                wordings={
                    "id": samples.notice().wording("id"),
                    "su": samples.notice().wording("id"),
                }
            ),
            "su",
            "id, su",
        ),
    ],
)
def test_a_mail_names_every_language_that_it_is_in(
    edition: Edition, lang: str, languages: str
) -> None:
    assert [part["Content-Language"] for part in mail(edition, lang).iter_parts()] == [
        languages,
        languages,
    ]


def test_a_reason_and_a_claim_in_an_english_mail_are_marked_as_indonesian() -> None:
    for edition, words in (
        (samples.correction(), "Air kembali"),
        (samples.withdrawal(), "Pekerjaan"),
        (samples.clarification(), "“Bansos"),
    ):
        page = mail(edition, "en").get_body(("html",))
        assert page is not None
        assert f'<span lang="id">{words.replace("“", "&ldquo;")}' in page.get_content()


def test_a_sender_with_a_long_name_is_named_in_short_encoded_words() -> None:
    name = "Pemérintah Kota Cimahi, Dinas Komunikasi, Informatika, dan Persandian"
    mailer = channel(from_=f'"{name}" <info@info.cimahi.example>')
    data = mailer.personalise(
        mailer.render(samples.notice(), "id"), samples.recipient("siti@contoh.example")
    ).payload.data
    head = data.partition(b"\r\n\r\n")[0].decode()
    assert all(len(word) <= 75 for word in re.findall(r"=\?\S+\?=", head))
    message = message_from_bytes(data, policy=policy.default)
    assert message["From"].addresses[0].display_name == name


def test_the_summary_leads_unless_the_body_begins_with_it() -> None:
    words = samples.notice().wording("id")
    repeated = msgspec.structs.replace(
        words, summary="Perumda Tirta mengganti pipa induk di Jl. Amir Machmud."
    )
    body = mail(samples.notice(wordings={"id": repeated})).get_body(("plain",))
    assert body is not None
    assert body.get_content().count("mengganti pipa induk") == 1


@pytest.mark.parametrize(
    ("summary", "body", "instruction"),
    [
        ("Air mati. Tampung air.", "Air mati.\n\nTampung air.\n\nTruk menunggu.", ""),
        ("Air mati di Jl. Amir…", "Air mati di Jl. Amir Machmud sampai sore.", ""),
        (
            "Air mati di: Cibabat; Melong.",
            "Air mati di:\n\n- Cibabat\n- Melong\n\nTampung air.",
            "",
        ),
        ("Air mati. Tampung air.", "Truk menunggu.", "1. Air mati.\n2. Tampung air."),
    ],
)
def test_no_mail_says_its_first_sentences_twice(summary: str, body: str, instruction: str) -> None:
    words = Wording(title="Pipa diganti", summary=summary, body=body, instruction=instruction)
    for part in mail(samples.alert(wordings={"id": words})).iter_parts():
        assert part.get_content().count("Air mati") == 1
        assert 'class="lead"' not in part.get_content()


@pytest.mark.parametrize("news", sample_news(), ids=str)
def test_no_news_of_the_demo_is_said_twice_in_a_mail(news: str) -> None:
    words = Wording(title="Judul", summary=default_summary(news), body=news)
    page = mail(samples.notice(wordings={"id": words})).get_body(("html",))
    assert page is not None
    assert 'class="lead"' not in page.get_content()


def test_links_that_are_none_are_no_links() -> None:
    evidence = ("javascript:alert(2)", "Surat edaran no. 5", "https://contoh.example/x")
    claim = Claim(claim="Kabar", verdict="Hoaks", fact="Fakta", evidence=evidence)
    page = mail(samples.clarification(link="javascript:alert(1)", claim=claim)).get_body(("html",))
    assert page is not None
    targets = re.findall(r'href="([^"]*)"', page.get_content())
    assert "https://contoh.example/x" in targets
    assert all(target.startswith("https://") for target in targets)
    assert "Surat edaran no. 5" in page.get_content()


class Page(HTMLParser):
    """Parser that collects what an email page is made of."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.styles = re.findall(r"<style>(.*?)</style>", markup, re.DOTALL)
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.lang = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag == "html":
            self.lang = dict(attrs).get("lang") or ""
        if tag == "img":
            assert dict(attrs).get("alt")
        if tag == "table" and "role" not in dict(attrs):
            assert dict(attrs)["class"] == "facts"


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("sample", samples.editions())
def test_the_page_needs_one_constant_style_block_and_nothing_from_elsewhere(
    sample: str, lang: str
) -> None:
    body = mail(samples.editions()[sample], lang).get_body(("html",))
    assert body is not None
    markup = body.get_content().replace("\r\n", "\n")
    page = Page(markup)
    assert page.styles == re.findall(
        r"<style>(.*?)</style>", Path("templates/email/_style.html").read_text(), re.DOTALL
    )
    assert "style" not in page.attributes
    assert not {"script", "link", "iframe", "form"} & set(page.tags)
    sources = re.findall(r'<img[^>]* src="([^"]*)"', markup)
    assert len(sources) == page.tags["img"]
    assert all(source.startswith(f"{samples.site().base_url}/media/") for source in sources)
    assert not {name for name in page.attributes if name.startswith("on")}
    assert (page.tags["h1"], page.lang) == (1, lang)
    assert "url(" not in page.styles[0] and "@import" not in page.styles[0]


def test_an_image_has_its_words() -> None:

    edition = samples.notice(
        image=Image(url="https://info.cimahi.example/m/1.jpg", alt="Peta lokasi truk tangki")
    )
    message = mail(edition)
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and page is not None
    assert (
        "Gambar: Peta lokasi truk tangki (https://info.cimahi.example/m/1.jpg)"
        in text.get_content()
    )
    assert 'alt="Peta lokasi truk tangki"' in page.get_content()


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [("Hoaks", "KLARIFIKASI HOAKS"), ("Benar", "KLARIFIKASI\n"), ("Konten lama", "KLARIFIKASI\n")],
)
def test_what_proved_true_is_not_headed_as_a_hoax(verdict: str, tag: str) -> None:
    message = mail(samples.clarification(claim=Claim(claim="Kabar", verdict=verdict, fact="Fakta")))
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and page is not None
    assert tag in text.get_content().replace("\r\n", "\n")
    assert f"Putusan: {verdict}" in page.get_content()


# --- settings and the doctor ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Siti.A@Contoh.EXAMPLE", "Siti.A@contoh.example"),
        ("  siti@contoh.example ", "siti@contoh.example"),
        ("siti+rw05@contoh.example", "siti+rw05@contoh.example"),
        ("siti@bücher.example", "siti@xn--bcher-kva.example"),
        ("sité@contoh.example", "sité@contoh.example"),
        ("Ibu Sari <sari@contoh.example>", "sari@contoh.example"),
        ('"Sari, Ibu" < Sari.B@contoh.example >', "Sari.B@contoh.example"),
        ("<sari@contoh.example>", "sari@contoh.example"),
        ("mailto:sari@contoh.example", "sari@contoh.example"),
        ("MailTo:sari@contoh.example?subject=Halo", "sari@contoh.example"),
        ("sa\u200bri@con\u00adtoh.example\ufeff", "sari@contoh.example"),
        ("sari@contoh.example.", "sari@contoh.example"),
        ("sari@contoh.example;", "sari@contoh.example"),
        ("\xa0sari@contoh.example\u202c ,", "sari@contoh.example"),
        ("'sari@contoh.example'", "sari@contoh.example"),
        ("“sari@contoh.example”", "sari@contoh.example"),
        ("sari@contoh.example (Sari)", "sari@contoh.example"),
        ("Ibu Sari [sari@contoh.example]", "sari@contoh.example"),
        ("mailto:sari%40contoh.example", "sari@contoh.example"),
    ],
)
def test_an_address_is_kept_as_it_was_but_for_its_domain(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "siti",
        "siti@",
        "@contoh.example",
        "siti@contoh",
        "a b@contoh.example",
        "siti@-x.example",
        "a..b@x.example",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with refuses(BadAddress, match=r"nama@contoh\.id"):
        parse_address(text)


def test_two_addresses_in_one_cell_are_distinguished_from_a_misspelt_one() -> None:
    with refuses(BadAddress, match="lebih dari satu alamat email"):
        parse_address("sari@contoh.example, budi@contoh.example")


def test_settings_come_from_variables_with_the_channels_name() -> None:
    variables = {
        "EMAIL_URL": "smtps://u:p@mail.contoh.example",
        "EMAIL_FROM": "Info <info@contoh.example>",
        "EMAIL_CONNECTIONS": "25",
        "EMAIL_RATE": "40.5",
        "TELEGRAM_RATE": "30",
        "EMAIL_BOUNCE_DOMAIN": "",
    }
    settings = Settings.read(variables, samples.site())
    assert (settings.connections, settings.rate, settings.bounce_domain) == (25, 40.5, "")
    assert settings.sender == ("Info", "info@contoh.example")
    assert settings.missing() == ()
    assert open_channel(settings).rate == 40.5
    assert Settings.read({}, samples.site()).missing() == ("EMAIL_URL", "EMAIL_FROM")


@pytest.mark.parametrize(
    "variables",
    [
        {"EMAIL_URL": "http://u:rahasia@mail.contoh.example"},
        {"EMAIL_URL": "smtp://u:rahasia@mail.contoh.example:70000"},
        {"EMAIL_FROM": "bukan rahasia"},
        {"EMAIL_CONNECTIONS": "0"},
        {"EMAIL_RATE": "-1"},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once_without_showing_secrets(
    variables: dict[str, str],
) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.read(variables, samples.site())
    assert "rahasia" not in str(refused.value)


def test_the_password_is_not_shown() -> None:
    assert "rahasia" not in repr(Settings(url="smtp://u:rahasia@mail.contoh.example"))


async def test_the_doctor_finds_a_good_server_good() -> None:
    async with SmtpStandIn().running() as url:
        mailer = channel(url)
        findings = await mailer.check()
        await mailer.aclose()
    assert [finding.ok for finding in findings] == [True, True, True, True]
    assert [finding.mend for finding in findings] == ["", "", "", ""], (
        "advice under what is in order"
    )


async def test_the_doctor_says_what_to_mend() -> None:
    site = replace(samples.site(), base_url="http://127.0.0.1:8000")
    async with SmtpStandIn(credentials=("a", "b")).running() as url:
        settings = Settings(
            site=site, url=url.replace("a:b@", "a:salah@"), from_="info@lain.example"
        )
        mailer = Email(settings)
        findings = await mailer.check()
        await mailer.aclose()
    assert [finding.ok for finding in findings] == [False, None, False, None]
    assert "535 5.7.8" in findings[0].what and "salah" not in findings[0].what
    assert all(finding.mend for finding in findings)


async def test_the_doctor_names_missing_settings() -> None:
    (finding,) = await Email(Settings()).check()
    assert finding.ok is False
    assert "EMAIL_URL" in finding.what and "EMAIL_FROM" in finding.what


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("name", ["notice", "alert", "clarification", "correction"])
def test_every_kind_shows_what_to_do_and_a_summary_that_repeats_it_is_lost_on_no_channel(
    name: str, lang: str
) -> None:
    edition = samples.editions()[name]
    steps = "1. Tekan *123*4#.\n2. Telepon 112."
    words = {
        lang: Wording(title="Air mati", summary="Tekan *123*4#.", body="Isi.", instruction=steps)
        for lang in ("id", "en")
    }
    message = mail(msgspec.structs.replace(edition, wordings=words), lang)
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        assert "Tekan *123*4#." in part.get_content()
        assert "Telepon 112." in part.get_content()


def test_a_body_that_mail_programs_would_clip_says_that_it_was_cut() -> None:
    words = Wording(
        title="Air mati", summary="", body="Air \"mati\" di '&' sini. " * 6_000, instruction=""
    )
    message = mail(samples.notice(wordings={"id": words}))
    part = message.get_body(("html",))
    assert part is not None
    assert "sini. …" in part.get_content()

"""Staff accounts, for pengelola: the list with search, a person's particulars, a new person."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import credentials
from broadcaster.domain.accounts import (
    ACCOUNT_ROLES,
    AGENCY_LIMIT,
    FULL_NAME_LIMIT,
    NAME_LIMIT,
    Account,
    BadAccount,
    read_name,
)
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.staff import administration
from broadcaster.staff.administration import Particulars
from broadcaster.store import accounts, announcement_lists, sessions
from broadcaster.web.base import pages
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import account_of, actor_of, app_of
from broadcaster.web.base.form_values import text_of, texts_of
from broadcaster.web.staff import compose, frame, idempotent_forms
from broadcaster.web.staff.account import place_names

ADDRESS = "/redaksi/pengguna"
PAGE_SIZE = 50
STATES = ("aktif", "nonaktif", "tanpa-kode")
"""Filters of the list; keys below "staff.people.state."."""
CONFIRMED = ("simpan", "nonaktif", "aktif", "kode", "sesi", "sekali")
"""Acts that a person's page can confirm; keys below "staff.people.done."."""
LIMITS = {"name": NAME_LIMIT, "full_name": FULL_NAME_LIMIT, "agency": AGENCY_LIMIT}
"""Characters that the fields of the form accept."""


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """Row of the list."""

    person: Account
    places: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class PersonForm:
    """Form of a person as filled in, valid or not."""

    name: str = ""
    full_name: str = ""
    roles: Sequence[str] = ()
    agencies: Sequence[str] = ()
    areas: Sequence[str] = ()
    mail: str = ""

    def read(self, app: App) -> Particulars:
        """Validate the form as particulars. Raises BadAccount."""
        return administration.read_particulars(
            app.tree,
            full_name=self.full_name,
            roles=self.roles,
            agencies=self.agencies,
            areas=self.areas,
            mail=self.mail,
        )


async def show(request: Request) -> Response:
    """Show the list."""
    app, query = app_of(request), request.query_params
    everyone = await app.database.read(accounts.everyone)
    matches = [person for person in everyone if _passes_filters(person, query)]
    text = query.get("halaman", "1")
    number = int(text) if text.isdecimal() and 0 < len(text) < 6 else 1
    number = max(1, min(number, -(-len(matches) // PAGE_SIZE)))
    lines = [
        PersonRow(person=person, places=place_names(app, person))
        for person in matches[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    ]
    return frame.page(
        request,
        "users.html",
        lines=lines,
        count=len(matches),
        total=len(everyone),
        roles=ACCOUNT_ROLES,
        states=STATES,
        query=query,
        filtered=any(query.get(name) for name in ("kata", "peran", "keadaan")),
        later=pages.address_with(request, halaman=str(number + 1))
        if number * PAGE_SIZE < len(matches)
        else "",
        earlier=pages.address_with(request, halaman=str(number - 1) if number > 2 else "")
        if number > 1
        else "",
    )


async def begin(request: Request) -> Response:
    """Show the form of a new person."""
    return await _new(request, PersonForm(roles=("author",)))


async def create(request: Request) -> Response:
    """Create the account and show its one-time password, which cannot be shown again."""
    app, data, actor = app_of(request), await request.form(), actor_of(request)
    typed, password = _read_form(data), credentials.new_password()
    try:
        name, particulars = read_name(typed.name), typed.read(app)
        hashed = await app.hasher.run(partial(credentials.hash_password, password))
        added = await idempotent_forms.write(
            request,
            data,
            "person",
            lambda c: administration.add_account(c, actor, name, particulars, hashed=hashed),
            lambda person: str(person.id),
        )
    except BadAccount as error:
        return await _new(request, typed, problem=frame.sentence(request, error))
    if added.made is None:
        return RedirectResponse(f"{ADDRESS}/{added.result}?selesai=sekali", 303)
    return frame.page(
        request, "user_password.html", person=added.made, password=password, fresh=True
    )


async def edit(request: Request) -> Response:
    """Show the page of the person that the path names."""
    return await person_page(request, await person_of(request))


async def save(request: Request) -> Response:
    """Store the particulars."""
    app, person, typed = app_of(request), await person_of(request), _read_form(await request.form())
    try:
        await app.database.write(
            administration.change, actor_of(request), person.id, typed.read(app), vault=app.vault
        )
    except (BadAccount, NotAllowed) as error:
        return await person_page(
            request, person, typed=typed, problem=frame.sentence(request, error), status=422
        )
    return RedirectResponse(f"{ADDRESS}/{person.id}?selesai=simpan", 303)


async def person_of(request: Request) -> Account:
    """Find the person that the path names. Raises 404."""
    text = str(request.path_params["id"])
    known = text.isascii() and text.isdecimal() and len(text) <= 15
    person = await app_of(request).database.read(accounts.by_id, int(text)) if known else None
    if person is None:
        raise HTTPException(404)
    return person


async def person_page(
    request: Request,
    person: Account,
    *,
    typed: PersonForm | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    """Render a person's page; `typed`: the form to show again after a refusal."""
    app = app_of(request)

    def read(connection: Connection) -> tuple[int, int]:
        open_now = sessions.of(connection, person, app.clock().timestamp())
        return len(open_now), accounts.recovery_codes_left(connection, person.id)

    open_now, codes = await app.database.read(read)
    act = request.query_params.get("selesai", "")
    stored = PersonForm(
        name=person.name,
        full_name=person.full_name,
        roles=person.roles,
        agencies=person.agencies,
        areas=person.areas,
        mail=person.email,
    )
    return frame.page(
        request,
        "users_account.html",
        status=status,
        person=person,
        problem=problem,
        open_now=open_now,
        codes=codes,
        said=act if act in CONFIRMED and not problem else "",
        own=person.id == account_of(request).id,
        **await _fields(request, typed or stored),
    )


async def _new(request: Request, typed: PersonForm, *, problem: str = "") -> Response:
    status = 422 if problem else 200
    return frame.page(
        request, "users_new.html", status=status, problem=problem, **await _fields(request, typed)
    )


async def _fields(request: Request, typed: PersonForm) -> dict[str, Any]:
    """Return the variables of the form of a person."""
    app = app_of(request)
    known = {app.site.city, *await app.database.read(announcement_lists.agencies)}
    return {
        "typed": typed,
        "roles": ACCOUNT_ROLES,
        "agencies": sorted(known),
        "others": [name for name in typed.agencies if name not in known],
        "groups": groups(app),
        "places": compose.grid_tiles(request),
        "limits": LIMITS,
    }


def _read_form(form: FormData) -> PersonForm:
    return PersonForm(
        name=text_of(form, "nama"),
        full_name=text_of(form, "lengkap"),
        roles=texts_of(form, "peran"),
        agencies=[*texts_of(form, "opd"), *text_of(form, "opd_lain").splitlines()],
        areas=texts_of(form, "areas"),
        mail=text_of(form, "kabar"),
    )


def _passes_filters(person: Account, query: Any) -> bool:
    """True if the person passes the filters of the query."""
    terms, role, state = (
        query.get("kata", "").casefold().split(),
        query.get("peran", ""),
        query.get("keadaan", ""),
    )
    text = f"{person.name} {person.full_name} {' '.join(person.agencies)}".casefold()
    active = person.disabled_at is None
    fitting = {
        "aktif": active,
        "nonaktif": not active,
        "tanpa-kode": active and person.local and not person.secured,
    }
    return (
        all(term in text for term in terms)
        and (not role or role in person.roles)
        and fitting.get(state, True)
    )

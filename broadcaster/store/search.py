"""Search index of the public archive: words of each announcement's newest edition, matched by any
part of a word.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, insert, select

from broadcaster.store.tables import edition, search_posting, search_word
from channels.base.contract import Edition
from subscribers.store import dialect_insert

MAX_TERMS = 5
"""Terms of a search that are used; further ones are ignored."""
TERM_LIMIT = 60
"""Characters of a term that are used; any part of a word up to this length is found."""
PIECE_LIMIT = 2 * TERM_LIMIT
"""Characters of an entry: longer words are indexed as pieces that overlap by TERM_LIMIT."""
FEW = 200
"""Entries up to which a search starts from the index; beyond, most editions match and the newest
are tested in turn.
"""
BATCH = 500
"""Entries looked up by a statement."""


def terms_of(text: str) -> list[str]:
    """Return the terms of a search, lower case."""
    return [term[:TERM_LIMIT] for term in text.lower().split()[:MAX_TERMS]]


def entries_of(texts: Iterable[str]) -> set[str]:
    """Return the words of the texts as the index stores them."""
    return {piece for text in texts for word in text.lower().split() for piece in _pieces(word)}


def _pieces(word: str) -> Iterator[str]:
    for start in range(0, max(1, len(word) - TERM_LIMIT), TERM_LIMIT):
        yield word[start : start + PIECE_LIMIT]


def index(connection: Connection, edition_id: int, frozen: Edition) -> None:
    """Index the edition instead of its announcement's earlier ones, in the transaction that
    publishes it.
    """
    earlier = select(edition.c.id).where(
        edition.c.announcement == frozen.announcement, edition.c.id != edition_id
    )
    connection.execute(delete(search_posting).where(search_posting.c.edition.in_(earlier)))
    wording = frozen.wording("id")
    # sorted: transactions that add the same words cannot deadlock
    entries = sorted(entries_of((frozen.code, wording.title, wording.summary, wording.body)))
    new_words = dialect_insert(connection, search_word).on_conflict_do_nothing(
        index_elements=["word"]
    )
    connection.execute(new_words, [{"word": entry} for entry in entries])
    for start in range(0, len(entries), BATCH):
        known = search_word.c.word.in_(entries[start : start + BATCH])
        numbers = connection.execute(select(search_word.c.id).where(known)).scalars()
        connection.execute(
            insert(search_posting), [{"word": number, "edition": edition_id} for number in numbers]
        )


def matching(connection: Connection, text: str) -> list[ColumnElement[bool]]:
    """Return conditions on `edition`, one for each term: the term is part of one of the edition's
    words.
    """
    return [
        _holds(connection, search_word.c.word.contains(term, autoescape=True))
        for term in terms_of(text)
    ]


def _holds(connection: Connection, alike: ColumnElement[bool]) -> ColumnElement[bool]:
    words: Select[tuple[int]] = select(search_word.c.id).where(alike)
    many = (
        connection.execute(
            select(func.count()).select_from(words.limit(FEW + 1).subquery())
        ).scalar_one()
        > FEW
    )
    if many:
        return exists().where(
            and_(search_posting.c.edition == edition.c.id, search_posting.c.word.in_(words))
        )
    return edition.c.id.in_(
        select(search_posting.c.edition).where(search_posting.c.word.in_(words))
    )

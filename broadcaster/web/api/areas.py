"""Areas of the city."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.api.schemas import AreaAnswer, Areas
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.http_cache import prepare, serve
from subscribers.areas import Area


async def areas(request: Request) -> Response:
    """Answer every area with its code and slug, city first."""
    answer = Areas(areas=[_answer(area) for area in app_of(request).tree.all()])
    response = prepare(msgspec.json.encode(answer.model_dump()), media_type="application/json")
    return serve(request, response, cache_control="private, max-age=30")


def _answer(area: Area) -> AreaAnswer:
    return AreaAnswer(
        code=area.code,
        slug=area.slug,
        name=area.name,
        full_name=area.full_name,
        level=area.level,
        parent=area.parent,
        aliases=list(area.aliases),
    )

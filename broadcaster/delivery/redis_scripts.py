"""Redis scripts of the rate limiter: one atomic step each, on Redis time."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

ALONE = "siaran:alone"


class Signal(IntEnum):
    """Signals that RESERVE returns beside its grant."""

    NONE = 0
    ALONE = 1
    PAUSED = 2
    DEMANDED = 3


# KEYS: state of the channel ("tick used"), demand of the emergency lane, pause, ALONE.
# ARGV: lane, wanted, rate, ticks a second, tick µs, grace µs, demand seconds.
# Returns {granted, µs until the start of their tick (negative: since) or another try, Signal}.
RESERVE = """
local wanted, rate, ticks = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local length, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[1] == 'emergency' then
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[7])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  return {0, length, 3}
end
if redis.call('EXISTS', KEYS[3]) == 1 then return {0, length, 2} end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local current = math.floor(now / length)
if redis.call('EXISTS', KEYS[4]) == 1 then
  -- grants of workers on their own must be well over before the next tick begins
  redis.call('SET', KEYS[1], string.format('%d 0', current + 4), 'EX', 86400)
  return {0, 0, 1}
end
local tick, used = string.match(redis.call('GET', KEYS[1]) or '', '(%d+) (%d+)')
tick, used = tonumber(tick), tonumber(used)
if not tick or tick > current + 4 then
  -- emptied, or written by a server with another clock: earlier grants are unknown, so skip ahead
  tick, used = current + 3, 0
end
local first = current
if now - current * length > grace then first = current + 1 end
if tick < first then tick, used = first, 0 end
local answer = {0, (current + 1) * length - now, 0}
while tick <= current + 1 do
  local left = math.floor((tick + 1) * rate / ticks) - math.floor(tick * rate / ticks) - used
  if left > 0 then
    local granted = math.min(left, wanted)
    used = used + granted
    answer = {granted, tick * length - now, 0}
    break
  end
  tick, used = tick + 1, 0
end
redis.call('SET', KEYS[1], string.format('%d %d', tick, used), 'EX', 86400)
return answer
"""


# KEYS: demand, pause. ARGV: seconds by which to renew the demand, 0 if it is not ours.
# Returns {demanded, paused}.
READ_SIGNALS = """
if tonumber(ARGV[1]) > 0 then redis.call('SET', KEYS[1], '1', 'EX', ARGV[1]) end
return {redis.call('EXISTS', KEYS[1]), redis.call('EXISTS', KEYS[2])}
"""


# KEYS: one for each address. ARGV: ms between two messages to it.
# Reserves one message for each; returns {index of an address that must wait, ms, ...}.
SPACE = """
local held = {}
for i, key in ipairs(KEYS) do
  if not redis.call('SET', key, '1', 'NX', 'PX', ARGV[i]) then
    held[#held + 1] = i - 1
    held[#held + 1] = math.max(redis.call('PTTL', key), 1)
  end
end
return held
"""


class RedisScript:
    """A Lua script called by its digest, and sent in full only if Redis does not know it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], *values: object) -> Any:
        """Run the script with keys and further arguments."""
        run: Callable[..., Awaitable[Any]] = redis.execute_command
        try:
            return await run("EVALSHA", self._digest, len(keys), *keys, *values)
        except NoScriptError:
            return await run("EVAL", self._source, len(keys), *keys, *values)

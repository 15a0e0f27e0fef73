"""Which of the rights that a run needs a user lacks, as the server itself says."""

import json
from collections import Counter
from collections.abc import Sequence

import redis
from redis.exceptions import NoPermissionError

from regional_assets.intelligence.model import Model
from regional_assets.redis_link.results import Result
from regional_assets.redis_link.scripts import Call, Script, run
from regional_assets.redis_link.server import Server
from regional_assets.store import access
from regional_assets.store.keys import Keys

_NAMED = 3
# Commands that a script looks at. More would block the server's other clients for too long.
_PER_SCRIPT = 2_000
_RIGHTS_ADVICE = "`regional-assets acl` prints the rules of a user who may"
_RIGHTS = Script.load(__package__, "rights.lua", read_only=True)


def rights(server: Server, keys: Keys, model: Model) -> Result:
    """Whether this user may do all that a run does, on every server that may get the keys."""
    nodes = server.nodes()
    for name, client in nodes.items():
        result = _rights_at(client, keys, model)
        if result.verdict != "ok":
            return result._replace(found=f"{name}: {result.found}") if len(nodes) > 1 else result
    return result


def _rights_at(client: redis.Redis, keys: Keys, model: Model) -> Result:
    if refused := _refused(client, list(access.uses(keys, model))):
        return Result("problem", f"this user {refused}", _RIGHTS_ADVICE)
    if _refused(client, list(access.uses_of_own(keys))):
        return Result(
            "warning",
            f"this user may do all that a run needs, but lacks rights on {keys.own('*')}, so that "
            "inputs that go missing have no last words",
            f"create the users again: {_RIGHTS_ADVICE}",
        )
    return Result("ok", "this user may do all that a run does")


def _refused(client: redis.Redis, uses: Sequence[access.Use]) -> str | None:
    """What this user may not do of that, as the end of a sentence; None when it may do all."""
    batches = [uses[start : start + _PER_SCRIPT] for start in range(0, len(uses), _PER_SCRIPT)]
    calls = [Call(_RIGHTS, [], [json.dumps(use.words) for use in batch]) for batch in batches]
    refused: list[access.Use] = []
    for batch, reply in zip(batches, run(client, calls), strict=True):
        if isinstance(reply, NoPermissionError):
            return f"may not run scripts: {reply}"
        if isinstance(reply, Exception):
            raise reply
        refused += [batch[position - 1] for position in reply]
    if not refused:
        return None
    wanted = Counter(use.command for use in uses)
    commands = [
        name for name, count in Counter(u.command for u in refused).items() if count == wanted[name]
    ]
    names = dict.fromkeys(use.key for use in refused if use.key and use.command not in commands)
    found = [f"may not run {', '.join(commands)}"] if commands else []
    if names:
        more = f" and {len(names) - _NAMED} more keys" if len(names) > _NAMED else ""
        found.append(f"lacks rights on {', '.join(list(names)[:_NAMED])}{more}")
    return "; ".join(found)

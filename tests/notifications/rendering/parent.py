"""A process with renderers: `python parent.py burn|fork`."""

from __future__ import annotations

import os
import sys
import threading

from notifications.rendering import Pool, Source

BURN = Source({"text": "{% if (1..1000000000000) contains 'x' %}{% endif %}"})
GOOD = Source({"text": "{{ x }}"})


def burn(pool: Pool) -> None:
    """Print whom it has, one of them busy, and wait to be killed."""
    with pool._changed:
        threading.Thread(target=pool.render, args=(BURN, [{}]), daemon=True).start()
        pool._changed.wait_for(lambda: len(pool._free) == 1)
        print(*(renderer.pid for renderer in pool._all), flush=True)  # noqa: T201
    threading.Event().wait()


def fork(pool: Pool) -> None:
    """Render here, in a child, and here again; print who could, and who worked for them."""
    mine = {renderer.pid for renderer in pool._all}
    say(pool, "parent")
    child = os.fork()
    if not child:
        say(pool, "child")
        theirs = {renderer.pid for renderer in pool._all}
        print("together" if mine & theirs else "apart", flush=True)  # noqa: T201
        pool.close()
        os._exit(0)
    os.waitpid(child, 0)
    say(pool, "parent")
    print(*mine, flush=True)  # noqa: T201


def say(pool: Pool, who: str) -> None:
    """Print this word if it renders."""
    made = pool.render(GOOD, [{"x": who}])[0]
    print(made["text"] if isinstance(made, dict) else made, flush=True)  # noqa: T201


if __name__ == "__main__":
    ours = Pool(2)
    ours.start()
    {"burn": burn, "fork": fork}[sys.argv[1]](ours)

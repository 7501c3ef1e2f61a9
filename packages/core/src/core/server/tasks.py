"""The tasks that nobody waits for: what a request has begun and left to itself."""

import asyncio

# They are told to end, and what they worked with has closed.
END_S = 2.0


async def end_tasks(timeout_s: float) -> list[str]:
    """Cancels them; names those that do not end in time, and what they run: `task sync-7 in synchronise`."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    stuck = (await asyncio.wait(tasks, timeout=timeout_s))[1] if tasks else ()
    return sorted(f"task {task.get_name()} in {getattr(task.get_coro(), '__qualname__', '?')}" for task in stuck)

"""A progress bar for a training loop, in a terminal."""

from __future__ import annotations

import dataclasses

from cycloid.learn.loops import Loop
from cycloid.learn.plans import Outcome, Progress


def with_bar(loop: Loop) -> Outcome:
    """Run the loop under a bar that shows step, loss and metric; the caller's own callback is called too."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task("", total=loop.plan.max_steps)
        own = loop.plan.callback

        def show(progress: Progress) -> object:
            words = [f"loss {progress.record['train_loss']:.4g}"]
            if "validation_loss" in progress.record:
                words.append(f"validation {progress.record['validation_loss']:.4g}")
            bar.update(task, completed=progress.step, description="  ".join(words))
            return None if own is None else own(progress)

        loop.plan = dataclasses.replace(loop.plan, callback=show)
        return loop.run()

"""The command line: one command a question, each loaded when it is called.

Exit codes that scripts can trust: 0 the answer may be used; 1 it may not (the tolerance was missed, the check
disagrees, the metric did not improve under --require-improvement); 2 the call was wrong; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys

import click

from cycloid import __version__

# command -> (module, attribute, one line of help): the list is read without importing any of them
COMMANDS = {
    "train": ("cycloid.cli.training", "train", "Train a model on a table and open the run: the chain, step by step."),
    "inspect": ("cycloid.cli.inspecting", "inspect", "Open a model or a recorded run and say what is wrong with it."),
    "minimize": ("cycloid.cli.descent", "minimize", "Minimise a formula, by one method or a race of many."),
    "fit-curve": ("cycloid.cli.fitting", "fit_curve", "Fit a formula to the columns of a CSV file."),
    "race": ("cycloid.cli.races", "race", "Which method is faster: networks on the digits, or a formula."),
    "derivative": ("cycloid.cli.calculus", "derivative", "The derivative of a formula: its value and its formula."),
    "gradient": ("cycloid.cli.calculus", "gradient", "The gradient of a formula, and its Hessian with --hessian."),
    "taylor": ("cycloid.cli.expansions", "taylor", "A Taylor polynomial, and how far it may be from its function."),
    "jacobian": ("cycloid.cli.expansions", "jacobian", "A map of formulas: its stretches, area scale, and ripples."),
    "critical-points": ("cycloid.cli.critical", "critical_points", "All minima, maxima and saddles in a box, proven."),
    "sensitivity": ("cycloid.cli.sensitivities", "sensitivity", "What each input does to a result: slopes and shares."),
    "explain": (
        "cycloid.cli.explaining",
        "explain",
        "A derivative or an antiderivative step by step, each line checked.",
    ),
    "compare": ("cycloid.cli.frameworks", "compare", "A formula's derivatives by JAX, PyTorch and TensorFlow."),
    "find-nan": ("cycloid.cli.frameworks", "find_nan", "The operation of a formula that makes a NaN or an infinity."),
    "claims": ("cycloid.cli.workshop", "claims", "What tutorials say, measured: claim, value, interval, verdict."),
    "lab": ("cycloid.cli.workshop", "lab", "Open the browser lab."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"There is no command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every command takes --json. Exit codes: 0 the answer may be used, 1 it may not, 2 the call was wrong.",
)
@click.version_option(__version__, prog_name="cycloid")
def cycloid() -> None:
    """The calculus of AI: computed, checked, explained and drawn."""


def main() -> None:
    """Run the command line; the entry point of the `cycloid` script."""
    try:
        code = cycloid.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)

"""``millstream completion``: what a shell must know to complete verbs and options."""

import click
from click.shell_completion import get_completion_class

EXAMPLES = """
\b
Examples:
  eval "$(millstream completion bash)"
  millstream completion zsh > ~/.zfunc/_millstream
  millstream completion fish > ~/.config/fish/completions/millstream.fish
"""


@click.command("completion", epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the lines that make SHELL complete millstream's verbs and options."""
    root = context.find_root().command
    found = get_completion_class(shell)
    assert found is not None, "click knows these three"
    click.echo(found(root, {}, "millstream", "_MILLSTREAM_COMPLETE").source())

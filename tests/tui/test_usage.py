"""What is unknown on the command line is told by the command that it was given to."""

from __future__ import annotations

import pytest

from tui import cli


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["layers", "-e", "eager", "-n", "3"], "infer-tui layers: unknown argument '-n'; see 'inf"),
        (["compare", "a", "b", "c"], "infer-tui compare: unknown argument 'c'; see 'infer-tui com"),
        (["--foo"], "infer-tui: unknown argument '--foo'; see 'infer-tui --help'"),
    ],
)
def test_an_unknown_argument_is_told_by_its_command(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(told)

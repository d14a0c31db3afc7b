"""What a reader of a damaged, foreign or wrong file is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.errors import EXIT_USAGE, FileError
from engines.plan import EngineSpec, Measurement, RunPlan
from profiles import reading
from profiles.reading import parse_plan, parse_profile, read_plan, read_profile
from profiles.schema import Profile
from profiles.writing import render, render_plan

Write = Callable[..., Path]

PLAN = """schema = 1
name = "mine"

[measurement]
iterations = 50

[[engines]]
engine = "eager"

[[engines]]
engine = "onnxruntime"
batch = 8

[[engines]]
engine = "compile"
precision = "bf16"
"""


def complaint(read: Callable[[Path], object], path: Path) -> str:
    """The one line that a user gets, without the file's own name."""
    with pytest.raises(FileError) as caught:
        read(path)
    text = str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE
    assert text.splitlines() == [text]
    assert text.isprintable()
    assert path.name in text
    return text.replace(str(path), "FILE")


def test_a_plan_is_read(write: Write) -> None:
    assert read_plan(write(PLAN)) == RunPlan(
        name="mine",
        measurement=Measurement(iterations=50),
        engines=(
            EngineSpec(engine="eager"),
            EngineSpec(engine="onnxruntime", batch=8),
            EngineSpec(engine="compile", precision="bf16"),
        ),
    )


def test_a_profile_gives_its_plan(write: Write, good_text: str, profile: Profile) -> None:
    assert read_plan(write(good_text)) == profile.plan


def test_a_rendered_plan_is_read_back(write: Write, profile: Profile) -> None:
    assert read_plan(write(render_plan(profile.plan))) == profile.plan


def test_a_whole_number_is_taken_where_a_number_is_expected() -> None:
    plan = parse_plan(PLAN.replace("iterations = 50", "seconds = 2"), "plan")
    assert plan.measurement.seconds == 2.0


def test_a_file_that_begins_with_a_byte_order_mark_is_read(write: Write) -> None:
    assert read_plan(write(b"\xef\xbb\xbf" + PLAN.encode())).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("iterations", "itertions", "unknown key 'itertions' in measurement; did you mean 'it"),
        ('name = "mine"', "nmae = 1", "unknown key 'nmae' in the file; did you mean 'name'?"),
        ('engine = "eager"', 'engin = "eager"', "engines[0]"),
        ("= 50", '= "many"', "measurement.iterations is 'many', expected a whole number of at"),
        ("= 50", "= 1.5", "measurement.iterations is 1.5, expected a whole number of at least 1"),
        ("= 50", "= true", "measurement.iterations is true, expected a whole number"),
        ("= 50", "= 0", "measurement.iterations is 0, expected a whole number of at least 1"),
        ("= 50", "= -3", "measurement.iterations is -3, expected a whole number of at least 1"),
        ("= 50", "= [1]", "measurement.iterations is an array, expected a whole number"),
        ("iterations = 50", "seconds = nan", "measurement.seconds is nan, expected a number"),
        ("iterations = 50", "max_seconds = inf", "max_seconds is inf, expected a number above 0"),
        ("iterations = 50", "max_seconds = 1e999", "measurement.max_seconds is inf"),
        ("iterations = 50", "seconds = 0", "measurement.seconds is 0, expected a number above 0"),
        ("iterations = 50", "median_half_width = 2", "half_width is 2, expected a number"),
        ("batch = 8", "batch = 0", "engines[1].batch is 0, expected a whole number of at least 1"),
        ("batch = 8", 'device = "gpu"', "engines[1].device is 'gpu'; "),
        ('"bf16"', '"fp17"', "engines[2].precision is 'fp17'; did you mean 'fp16'?"),
        ('"bf16"', "16", "engines[2].precision is 16, expected one of bf16, fp16"),
        ('"bf16"', '"int8"', "engines[2]: compile has no int8"),
        ('"compile"', '"complie"', "engines[2]: unknown engine 'complie'; did you mean 'compile'"),
        ("batch = 8", "options = {thread = 1}", "engines[1]: onnxruntime has no option 'thread'"),
        ("batch = 8", "options = {spinning = 3}", "engines[1]: spinning is 3, expected true or"),
        ("batch = 8", "options = {spinning = [1]}", "engines[1].options.spinning is an array, exp"),
        ("batch = 8", "options = 3", "engines[1].options is 3, expected a table"),
        ("schema = 1", "", "'schema' is missing; expected schema = 1"),
        ("schema = 1", "schema = '1'", "schema is '1', expected the number 1"),
        ("schema = 1", "schema = true", "schema is true, expected the number 1"),
        ("schema = 1", "schema = 0", "schema is 0, expected 1"),
        ("schema = 1", "schema = 99", "newer infer-tui: schema 99, this one reads schema 1; upgr"),
        ("= 50", "= ", "FILE, line 5, column 14: Invalid value"),
        ("= 50", "= 0000000", "FILE, line 5, column"),
        ("= 50", "= 2026-13-45", "FILE, line 5, column"),
        ("[measurement]", "name = 'twice'", "FILE, line 4, column 15: Cannot overwrite a value"),
        ("[measurement]", "[measurement", "FILE, line 4, column 13"),
        ("= 50", "= " + "9" * 5000, "Exceeds the limit"),
        ("= 50", "= " + "[" * 5000, "nested more than the allowed"),
        ("= 50", "= " + "9" * 400, "9999…, expected at most 9223372036854775807"),
    ],
)
def test_a_wrong_plan_says_where_and_what(write: Write, old: str, new: str, expected: str) -> None:
    assert old in PLAN
    path = write(PLAN.replace(old, new, 1))
    assert expected in complaint(read_plan, path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("n = 2000", "n = -1", "results[0].latency.n is -1, expected a number of at least 0"),
        ("n = 2000", "n = 0", "results[0].latency.n is 0, expected at least 1"),
        ("n = 2000", "n = 'x'", "results[0].latency.n is 'x', expected a whole number"),
        ("n = 2000\n", "", "results[0].latency has no 'n', expected a whole number"),
        ("throughput", "thruput", "unknown key 'thruput' in results[0]; did you mean 'throughput"),
        ("mean_ms = ", "mean_ms = 1", "results[0].latency: expected min_ms at most mean_ms"),
        ("percentile = 99.0,", "percentile = 990,", "results[0].latency.percentiles[3].percentile"),
        ("low_ms = 2", "low_ms = 3", "results[0].latency.percentiles[0]: expected low_ms at most"),
        ("throughput = 3", "throughput = nan #", "results[0].throughput is nan, expected a finite"),
        ("mean_ms = ", "mean_ms = -", "results[0].latency.mean_ms is -"),
        ("seconds = 12.25", "seconds = -1", "run.seconds is -1, expected a number of at least 0"),
        ("17:05:31+00:00", "17:05:31", "run.started is 2026-11-22T17:05:31, expected a date and"),
        ("started = 2026-11-22 17:05:31+00:00\n", "", "run has no 'started', expected a date and"),
        ('ending = "complete"', 'ending = "completed"', "run.ending is 'completed'; did you mean"),
        ("schema = 1", "schema = 99", "written by a newer infer-tui: schema 99"),
        ("[plan]\nschema = 1", "[plan]\nschema = 7", "FILE: plan: written by a newer infer-tui"),
        ("[run]", "[rum]", "unknown key 'rum' in the file; did you mean 'run'?"),
        ('hostname = "box"', "hostname = 3", "machine.hostname is 3, expected text in quotes"),
        ("provider = ", "provider = {} #", "results[0].facts.provider is a table, expected"),
        ('status = "ok"', 'status = "good"', "results[0].status is 'good'"),
    ],
)
def test_a_wrong_profile_says_where_and_what(
    write: Write, good_text: str, old: str, new: str, expected: str
) -> None:
    assert old in good_text
    text = complaint(read_profile, write(good_text.replace(old, new, 1)))
    assert expected in text
    assert complaint(read_plan, write(good_text.replace(old, new, 1))) == text


def test_a_profile_whose_results_do_not_fit_its_plan_is_refused(
    write: Write, good_text: str
) -> None:
    cut = good_text.rindex("[[results]]")
    text = complaint(read_profile, write(good_text[:cut] + reading.LAST_LINE))
    assert "results has 1 entries, expected one for each of the 2 plan.engines" in text


@pytest.mark.parametrize("name", ["../x.samples.npz", "/etc/x.samples.npz", "a\\nb.samples.npz"])
def test_a_sidecar_outside_the_folder_is_refused(write: Write, good_text: str, name: str) -> None:
    table = f'[samples]\nfile = "{name}"\nsha256 = "{"0" * 64}"\nbytes = 3\n\n'
    spoilt = good_text.replace(reading.LAST_LINE, table + reading.LAST_LINE)
    assert "samples.file is " in complaint(read_profile, write(spoilt))


def test_a_plan_is_not_a_profile(write: Write) -> None:
    assert "this is a plan, expected a profile" in complaint(read_profile, write(PLAN))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "FILE: is empty"),
        (b" \n\n", "FILE: is empty"),
        (b"# only a comment\n", "FILE: is empty"),
        (b"\x7fELF\x00\x01", "FILE: is a binary file; expected TOML text"),
        (b"PK\x03\x04\x00", "is a binary file; give the .toml file beside it"),
        (b"schema = 1\nname = '\xff\xfe'", "FILE, line 2: byte 0xff is not UTF-8; save"),
        ("schema = 1".encode("utf-16"), "is a binary file"),
        (b"schema = 1\n", "FILE: engines is empty; expected at least one"),
        (b"schema = 1\nengines = []\n", "FILE: engines is empty"),
        (b"{}", "FILE: is not TOML; expected a plan or a profile in TOML"),
        (b"notes of mine\n", "FILE: is not TOML"),
        (b"schema = 1\nname = 'a\n", "FILE, line 2"),
        (b"schema = 1\nname = '''a\n", "ends too early"),
    ],
)
def test_a_file_that_is_no_plan_at_all(write: Write, content: bytes, expected: str) -> None:
    assert expected in complaint(read_plan, write(content))


@pytest.mark.parametrize("read", [read_profile, read_plan])
class TestNoFile:
    def test_a_missing_file_names_the_nearest(self, write: Write, read: Callable, tmp_path: Path):
        write(PLAN, "baseline.toml")
        text = complaint(read, tmp_path / "basline.toml")
        assert "there is no such file; did you mean 'baseline.toml'?" in text

    def test_a_missing_folder_is_named(self, read: Callable, tmp_path: Path):
        assert "there is no folder" in complaint(read, tmp_path / "no" / "x.toml")

    def test_a_folder(self, read: Callable, tmp_path: Path):
        assert "is a folder; expected a TOML file" in complaint(read, tmp_path)

    def test_a_pipe_is_refused_without_waiting_for_its_other_end(
        self, read: Callable, tmp_path: Path
    ):
        os.mkfifo(tmp_path / "pipe.toml")
        assert "is a device or a pipe" in complaint(read, tmp_path / "pipe.toml")

    def test_an_endless_device(self, read: Callable):
        assert "is a device or a pipe" in complaint(read, Path("/dev/zero"))

    def test_a_name_of_many_lines_gives_one_line(self, read: Callable, tmp_path: Path):
        with pytest.raises(FileError) as caught:
            read(tmp_path / "a\nb\x1b[31m.toml")
        assert str(caught.value).isprintable()

    def test_a_huge_file_is_not_read_whole(
        self, read: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        huge = tmp_path / "huge.toml"
        huge.touch()
        os.truncate(huge, 2**40)  # sparse: reading it whole would take all memory
        assert "is larger than 16 MiB" in complaint(read, huge)

    def test_a_loop_of_links(self, read: Callable, tmp_path: Path):
        loop = tmp_path / "loop.toml"
        loop.symlink_to(loop)
        assert "can't read" in complaint(read, loop)


def test_a_file_without_leave_to_read_it() -> None:
    # As another user where the tests run as root, whom no mode keeps out; pytest's own folders
    # are closed to others.
    code = """
import os, sys
from engines.errors import FileError
from profiles.reading import read_plan
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    read_plan(sys.argv[1])
except FileError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "bad.toml")
        path.write_text(PLAN)
        path.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        )
    assert re.fullmatch(r"can't read .*bad\.toml: permission denied; ask .*\n", done.stdout)


def test_every_cut_of_a_profile_is_refused(profile: Profile) -> None:
    """At any line's end what is left is often valid TOML with its last results missing."""
    text = render(profile, "cut.toml")
    lines = text.splitlines(keepends=True)
    end = len(text.rstrip())
    cuts = {len("".join(lines[:count])) for count in range(len(lines))} | set(range(0, end, 37))
    survivors = []
    for cut in sorted(cut for cut in cuts if cut < end):
        try:
            parse_profile(text[:cut], "cut.toml")
        except FileError:
            continue
        survivors.append(cut)
    assert not survivors


def read_or_refuse(read: Callable[[Path], object], path: Path) -> None:
    """Reading may succeed or be refused in one line; nothing else."""
    try:
        read(path)
    except FileError as error:
        complaint = str(error)
    else:
        return
    assert complaint.isprintable()


fuzz = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@fuzz
@given(content=st.binary(max_size=400))
def test_random_bytes(write: Write, content: bytes) -> None:
    path = write(content)
    read_or_refuse(read_profile, path)
    read_or_refuse(read_plan, path)


VALUES = st.sampled_from(
    [
        "nan",
        "-inf",
        "-1",
        "0",
        "1e400",
        "''",
        "[]",
        "{}",
        "true",
        "2026-01-01",
        "[[]]",
        '"\\u0007"',
        "12:00:00",
        "999999999999999999999999",
        "{a={b=[1]}}",
        "'`]-at`$.x'",
        "'''",
    ]
)


@fuzz
@given(data=st.data())
def test_random_changes_of_a_good_file(write: Write, good_text: str, data: st.DataObject) -> None:
    lines = good_text.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["value", "key", "drop", "twice", "bytes", "header"]))
        key, equals, _value = lines[at].partition(" = ")
        if kind == "value" and equals:
            lines[at] = f"{key} = {data.draw(VALUES)}"
        elif kind == "key" and equals:
            lines[at] = f'"{data.draw(st.sampled_from(["x", "`", "é", "a b", "]"]))}" = 1'
        elif kind == "drop":
            lines[at] = ""
        elif kind == "twice":
            lines.insert(at, lines[at])
        elif kind == "header":
            lines[at] = data.draw(st.sampled_from(["[results]", "[[run]]", "[a.b]", "[[plan]]"]))
        else:
            lines[at] += data.draw(st.text(max_size=6))
    path = write("\n".join(lines).encode("utf-8", "surrogatepass"))
    read_or_refuse(read_profile, path)
    read_or_refuse(read_plan, path)

"""One file, safe and small, of one result or several; every mistake is one line."""

import base64
import hashlib
import os
import re

import pytest
from tests.experiments.report import unpacking
from tests.experiments.report.results import largest, named, shown
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.experiments.report.find import Found, open_results
from mgsc.experiments.report.page import build_page, safe_json, write_report

MAKES_TROUBLE = "</script><script>alert(1)</script><!-- & \u2028 {{SCRIPT}} é"
MOST_BYTES = 15_000_000


@pytest.fixture
def results(tmp_path):
    """A folder with two results, as ``mgsc reproduce`` leaves it."""
    for name in ("first", "second"):
        fill(tmp_path / name, small(), manifest(PAIR, 2))
    return tmp_path


def test_a_folder_of_results_makes_one_page(results, capsys) -> None:
    assert cli.main(["report", str(results)]) == 0
    assert str(results / "report.html") in capsys.readouterr().out
    page = (results / "report.html").read_bytes()
    suites = unpacking.contents(page)["suites"]
    assert [suite["label"] for suite in suites] == ["TMaze, fixed model (first)", "TMaze, fixed model (second)"]
    for number, suite in enumerate(suites):
        for layer in ("core", "single"):
            found = unpacking.arrays(unpacking.stream(page, f"{layer}-{number}"), suite[layer]["entries"])
            assert "d" in found
    assert open_results([results / "first"])[0].label == "TMaze, fixed model"


def test_results_given_by_hand_keep_their_order_and_come_once(results) -> None:
    found = open_results([results / "second", results])
    assert [one.label for one in found] == ["TMaze, fixed model (second)", "TMaze, fixed model (first)"]


def test_equal_results_give_equal_pages_and_leave_a_result_readable(results) -> None:
    first, length = write_report([results / "first"])
    assert first == results / "first" / "report.html"
    again, _ = write_report([results / "first"], results / "new" / "again.html")
    assert first.read_bytes() == again.read_bytes()
    assert length == first.stat().st_size


def test_the_page_names_no_other_place_and_runs_its_own_script_only() -> None:
    page = build_page([Found("any", shown())]).decode()
    assert "{{" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    places = set(re.findall(r"https?://[^\s\"'`<]+", page))
    assert places == {"http://www.w3.org/2000/svg"}  # a name, not an address
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) == 1
    wanted = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{wanted}'" in page
    assert "default-src 'none'" in page


def test_no_text_of_a_result_gets_out_of_its_place() -> None:
    title = MAKES_TROUBLE
    plain, troubled = (
        build_page([Found(label, named(shown(agents=("uniform", name)), label))])
        for label, name in (("plain", "other"), (title, title))
    )
    assert troubled.count(b"<script") == plain.count(b"<script")
    assert b"alert(1)</script>" not in troubled
    suite = unpacking.contents(troubled)["suites"][0]
    assert suite["title"] == title
    assert suite["agents"][1]["name"] == title


def test_safe_json_has_no_character_that_markup_knows() -> None:
    text = safe_json({MAKES_TROUBLE: [MAKES_TROUBLE]})
    assert not set("<>&\u2028\u2029") & set(text)
    with pytest.raises(ValueError, match="JSON"):
        safe_json(float("nan"))


@pytest.mark.slow
def test_four_suites_of_full_size_stay_small() -> None:
    """Noise is the worst case; single seeds are then thinned, and the means are not."""
    found = [Found(f"suite {number}", largest(number)) for number in range(4)]
    page = build_page(found)
    assert len(page) <= MOST_BYTES
    for suite in unpacking.contents(page)["suites"]:
        assert suite["core"]["stride"] == 1
        assert suite["single"]["stride"] in (2, 4, 8)
        assert {tuple(entry["shape"]) for entry in suite["core"]["entries"] if entry["name"] == "d"} == {(9, 51, 200)}


def test_too_much_for_any_page_leaves_single_seeds_out() -> None:
    page = build_page([Found("any", shown())], size_limit=1000)
    assert unpacking.contents(page)["suites"][0]["single"] is None
    assert b'id="single-0"' not in page


@pytest.mark.parametrize("command", ["report", "view"])
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("missing", "there is no folder"),
        ("file", "is a file"),
        ("empty", "holds no result"),
        ("foreign", "holds no result"),
        ("unfinished", "incomplete"),
    ],
)
def test_no_result_is_one_line(command, case, expected, capsys, tmp_path) -> None:
    place = tmp_path / case
    if case == "file":
        place.write_text("mine")
    elif case != "missing":
        place.mkdir()
    if case == "foreign":
        (place / "thesis").mkdir()
    if case == "unfinished":
        from mgsc.experiments import store

        with store.create(place / "run", manifest(PAIR, 2)):
            pass
    before = sorted(tmp_path.rglob("*"))
    options = ["--port", "0", "--no-browser"] if command == "view" else []
    assert cli.main([command, str(place), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err
    assert sorted(tmp_path.rglob("*")) == before


def test_issue_an_unfinished_result_beside_finished_ones_is_left_out(results, caplog) -> None:
    from mgsc.experiments import store

    with store.create(results / "stopped", manifest(PAIR, 2)):
        pass
    assert [found.label for found in open_results([results])] == [
        "TMaze, fixed model (first)",
        "TMaze, fixed model (second)",
    ]
    (left,) = [said for said in (record.getMessage() for record in caplog.records) if "left out" in said]
    assert left.startswith(f"mgsc: left out: {results / 'stopped'} is incomplete")


@pytest.mark.parametrize("kind", ["a folder", "below a file", "forbidden"])
def test_a_file_that_cannot_be_written_is_refused_before_any_work(kind, capsys, results, monkeypatch) -> None:
    (results / "mine.txt").write_text("mine")
    out = {"a folder": results, "below a file": results / "mine.txt" / "page.html", "forbidden": results / "page.html"}
    if kind == "forbidden":  # by hand: root may write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("mgsc.experiments.report.page.build_page", lambda _: pytest.fail("worked"))
    assert cli.main(["report", str(results), "--out", str(out[kind])]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--out" in err or "cannot write" in err
    assert (results / "mine.txt").read_text() == "mine"


def test_a_disk_that_refuses_is_one_line(results, capsys, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mgsc.experiments.report.page.write_atomically", refuse)
    assert cli.main(["report", str(results)]) == 2
    assert "No space left on device" in capsys.readouterr().err


def test_issue_a_report_is_replaced_and_nothing_else_is(results, capsys) -> None:
    page, old, mine = results / "page.html", results / "old.html", results / "mine.html"
    assert cli.main(["report", str(results), "--out", str(page)]) == 0
    assert cli.main(["report", str(results), "--out", str(page)]) == 0
    generator = b'<meta name="generator" content="mgsc report">\n'
    assert generator in page.read_bytes()
    old.write_bytes(page.read_bytes().replace(generator, b""))  # as version 0.1.0 wrote it
    assert cli.main(["report", str(results), "--out", str(old)]) == 0
    assert old.read_bytes() == page.read_bytes()
    capsys.readouterr()
    for contents in ("mine", "", "<!doctype html>\n<title>mine</title>", "mine" + page.read_text("utf-8")):
        mine.write_text(contents, "utf-8")
        assert cli.main(["report", str(results), "--out", str(mine)]) == 2
        assert (
            capsys.readouterr().err == f"mgsc: {mine} is there and is no report of mgsc: name another file with --out\n"
        )
        assert mine.read_text("utf-8") == contents


def test_issue_a_report_goes_through_a_link_and_not_into_a_pipe(results, capsys) -> None:
    (results / "link.html").symlink_to(results / "page.html")
    assert cli.main(["report", str(results), "--out", str(results / "link.html")]) == 0
    assert (results / "link.html").is_symlink()
    assert b"mgsc: results" in (results / "page.html").read_bytes()
    os.mkfifo(results / "pipe")
    capsys.readouterr()
    assert cli.main(["report", str(results), "--out", str(results / "pipe")]) == 2
    assert "it is a device or pipe; name a file" in capsys.readouterr().err

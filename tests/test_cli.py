"""Every mistake ends in one line and exit status 2, before anything is computed or written."""

import json
import subprocess
import sys

import pytest
from tests.quick import compile_quickly

from mgsc import cli, cli_parser
from mgsc.experiments.design.parts import ENVIRONMENTS
from mgsc.experiments.design.suites import SUITES
from mgsc.search_control.table import STRATEGIES

WRONG = {
    "unknown command": (["rnu"], "did you mean 'run'"),
    "no command": ([], "COMMAND"),
    "unknown suite": (["run", "tmaze-fxied"], "did you mean 'tmaze-fixed'"),
    "unknown agent": (["run", "tmaze-fixed", "--agents", "unifrom"], "did you mean 'uniform'"),
    "suite twice": (["reproduce", "--suites", "tmaze-fixed", "tmaze-fixed"], "once each"),
    "agent twice": (["run", "tmaze-fixed", "--agents", "uniform", "uniform"], "once each"),
    "no seeds": (["run", "tmaze-fixed", "--seeds", "0"], "at least 1"),
    "seeds are no number": (["run", "tmaze-fixed", "--seeds", "many"], "many"),
    "negative root seed": (["run", "tmaze-fixed", "--root-seed", "-1"], "root-seed is -1"),
    "negative steps": (["run", "tmaze-fixed", "--steps", "-5"], "steps is -5"),
    "steps do not fit": (["run", "tmaze-fixed", "--steps", "1234"], "must divide"),
    "unknown key": (["run", "tmaze-fixed", "--set", "epsilom=0.1"], "did you mean 'epsilon'"),
    "key of an agent without it": (["run", "tmaze-fixed", "--set", "step_size=0.3"], "did you mean 'agents.step_size'"),
    "an option without its agent": (
        ["run", "tmaze-fixed", "--set", "entropy_bonus=0"],
        "did you mean 'meta_gradient.entropy_bonus'",
    ),
    "a letter of the papers": (["run", "tmaze-fixed", "--set", "K=10"], "did you mean 'planning_updates'"),
    "its letter of an agent": (["run", "tmaze-fixed", "--set", "uniform.K=2"], "did you mean 'planning_updates'"),
    "an agent by its method": (["run", "tmaze-fixed", "--agents", "mgsc"], "did you mean 'meta_gradient'"),
    "unknown key of an agent": (["run", "tmaze-fixed", "--set", "replay.windw=3"], "did you mean 'window'"),
    "key of nothing": (["run", "tmaze-fixed", "--set", "epsilon"], "KEY=VALUE"),
    "NaN": (["run", "tmaze-fixed", "--set", "epsilon=nan"], "epsilon is nan"),
    "NaN of an agent": (["run", "tmaze-fixed", "--set", "uniform.step_size=nan"], "uniform.step_size is nan"),
    "infinite reward": (["run", "tmaze-fixed", "--set", "environment.reward=inf"], "finite"),
    "not one of the words": (["run", "tmaze-fixed", "--set", "model.rewards=stal"], "stale, mean"),
    "a group of settings": (
        ["run", "tmaze-fixed", "--set", "model=stale"],
        "allowed are fixed, learned, mlp, mlp_ensemble, simulated; settings of the present one are model.rewards",
    ),
    "a setting of another model": (["run", "tmaze-learned", "--set", "model.rewards=mean"], "known: average,"),
    "too few outcomes": (["run", "tmaze-learned", "--set", "model.max_successors=3"], "has up to 4"),
    "step size of a model": (["run", "tworooms-learned", "--set", "model.step_size=0"], "in (0.0, 1.0]"),
    "rooms too small": (["run", "tworooms-fixed", "--set", "environment.height=1"], "environment.height is 1"),
    "over the budget": (["run", "tmaze-fixed", "--set", "uniform.planning_updates=9"], "at most 5"),
    "unreachable goal": (["run", "tmaze-fixed", "--set", "environment.step_limit=5"], "nearest goal is 10 steps"),
    "tuning seeds": (["run", "tmaze-fixed", "--root-seed", "1"], "used for tuning"),
    "two modes": (["run", "tmaze-fixed", "--resume", "--overwrite"], "not allowed with"),
    "no sweep": (["run", "tmaze-fixed", "--tuned", "nowhere.json"], "cannot read nowhere.json"),
    "too many finalists": (["tune", "tmaze-fixed", "--finalists", "200"], "[1, 128]"),
    "unknown suite to tune": (["tune", "tmaze-fxied"], "did you mean 'tmaze-fixed'"),
    "unreachable goal to tune": (
        ["tune", "tmaze-fixed", "--set", "environment.step_limit=5"],
        "nearest goal is 10 steps",
    ),
    "tune into a folder": (["tune", "tmaze-fixed", "--out", "."], "name a file"),
    "tune into nothing": (["tune", "tmaze-fixed", "--into", "nowhere.json"], "cannot read nowhere.json"),
    "tune to two places": (["tune", "tmaze-fixed", "--into", "a.json", "--out", "b.json"], "not allowed with"),
    "unknown sweep": (["sensitivity", "tmaze-fxied"], "did you mean 'tmaze-fixed'"),
    "a folder for a sweep": (["sensitivity", "."], "cannot read ."),
    "unknown study": (["study", "run", "slpi"], "did you mean 'slip'"),
    "no action on studies": (["study"], "ACTION"),
    "unknown action on studies": (["study", "rnu"], "rnu"),
    "study without seeds": (["study", "run", "slip", "--seeds", "0"], "at least 1"),
    "study on tuning seeds": (["study", "run", "slip", "--root-seed", "1"], "used for tuning"),
    "steps of a study do not fit": (["study", "run", "slip", "--steps", "1234"], "must divide"),
    "unknown summary": (["study", "show", "slpi"], "did you mean 'slip'"),
    "a folder for a summary": (["study", "show", "."], "cannot read ."),
    "no result": (["compare", "nowhere"], "no folder nowhere"),
    "no result to diagnose": (["diagnose", "nowhere"], "no folder nowhere"),
    "no result to draw": (["figures", "nowhere"], "no folder nowhere"),
    "one folder to merge": (["merge", "nowhere", "--out", "both"], "at least two"),
    "reproduce without seeds": (["reproduce", "--seeds", "-2"], "at least 1"),
    "unknown experiments to reproduce": (["reproduce", "clasics"], "did you mean 'classics'"),
    "classics without seeds": (["reproduce", "classics", "--seeds", "0"], "at least 1"),
    "classics on a negative root seed": (["reproduce", "classics", "--root-seed", "-1"], "root-seed is -1"),
    "classics by suites": (["reproduce", "classics", "--suites", "tmaze-fixed"], "--suites"),
    "bench into a folder": (["bench", "--out", "."], "name a file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line_and_status_2(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, expected = WRONG[case]
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mgsc: ")
    assert err.count("\n") == 1
    assert expected in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["foreign", "file", "corrupt", "incomplete"])
def test_a_folder_that_is_no_result_is_refused(kind, capsys, tmp_path):
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        name = {"foreign": "thesis.tex", "corrupt": "manifest.json", "incomplete": ".tmp-x-0123456789ab"}[kind]
        (place / name).write_text("{")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert cli.main(["compare", str(place)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_foreign_folder_is_never_overwritten(capsys, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert cli.main(["run", "tmaze-fixed", "--out", str(tmp_path), "--overwrite"]) == 2
    assert "thesis" in capsys.readouterr().err or (tmp_path / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_help_imports_nothing_heavy():
    code = "import sys, mgsc.cli; mgsc.cli.main(['--help'])"
    check = "assert not {'jax', 'numpy', 'xarray', 'rich'} & set(sys.modules), sorted(sys.modules)"
    script = f"try:\n    exec({code!r})\nexcept SystemExit: pass\nimport sys\n{check}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in cli_parser.COMMANDS:
        assert command in done.stdout


def test_list_names_every_suite_strategy_and_setting(capsys):
    assert cli.main(["list", "everything"]) == 0
    out = capsys.readouterr().out
    for name in ("tmaze-fixed-mean", "avoid_terminal", "meta_gradient.entropy_bonus", "environment.slip", "epsilon"):
        assert name in out
    for name in (*SUITES, *STRATEGIES, *ENVIRONMENTS):
        assert name in out
    for name in ("model.rewards", "model.average", "model.max_successors", "environment.stem", "environment.width"):
        assert name in out


def test_studies_are_run_and_shown(capsys, tmp_path, monkeypatch):
    """On the study with the fewest programs, as short as can be."""
    compile_quickly(monkeypatch)
    out = str(tmp_path / "studies")
    run = ["study", "run", "temperature", "--steps", "250", "--seeds", "2", "--out", out]
    assert cli.main(run) == 0
    assert "Temperature of the softmax" in capsys.readouterr().out
    files = {f"temperature.{ending}" for ending in ("json", "pdf", "png", "md")}
    assert {path.name for path in (tmp_path / "studies").iterdir()} == files
    assert cli.main(run) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert cli.main([*run, "--resume"]) == 0
    assert cli.main(["study", "show", f"{out}/temperature.json", "--out", str(tmp_path / "shown")]) == 0
    assert "Temperature of the softmax" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "shown").iterdir()} == files - {"temperature.json"}
    for name in files - {"temperature.json"}:
        assert (tmp_path / "shown" / name).read_bytes() == (tmp_path / "studies" / name).read_bytes()


@pytest.mark.parametrize(
    ("subject", "has", "lacks"),
    [
        (None, "mlp_ensemble", "meta_step_size"),
        ("suites", "tmaze-fixed", "meta_step_size"),
        ("strategies", "meta_gradient", "tmaze-fixed"),
        ("meta_gradient", "meta_gradient.meta_step_size", "dyna_q_plus."),
        ("tmaze", "environment.slip", "Settings of a suite"),
        ("tworooms-fixed", "planning_updates", "tmaze-fixed"),
    ],
)
def test_issue_the_list_of_one_subject_is_short(subject, has, lacks, capsys):
    assert cli.main(["list"] if subject is None else ["list", subject]) == 0
    shown = capsys.readouterr().out
    assert has in shown
    assert lacks not in shown
    assert len(shown.splitlines()) < 200


def test_an_unknown_subject_of_the_list_is_refused(capsys):
    assert cli.main(["list", "meta_gradeint"]) == 2
    assert "unknown subject 'meta_gradeint'; did you mean 'meta_gradient'?" in capsys.readouterr().err


def test_the_list_of_studies_names_all(capsys):
    from mgsc.experiments.studies.table import STUDIES

    assert cli.main(["study", "list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line[:1].strip()] == ["study", *STUDIES]


def test_run_compare_figures_merge(capsys, tmp_path, monkeypatch):
    """What a newcomer types, on the smallest run there is."""
    compile_quickly(monkeypatch)

    def run(out, first):
        common = ["run", "tmaze-fixed", "--agents", "uniform", "meta_gradient", "--steps", "500", "--seeds", "2"]
        return cli.main([*common, "--first-seed", str(first), "--out", str(tmp_path / out)])

    assert run("a", 0) == 0
    assert "meta_gradient" in capsys.readouterr().out
    assert run("a", 0) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run("b", 2) == 0
    capsys.readouterr()
    assert cli.main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "both")]) == 0
    capsys.readouterr()
    assert cli.main(["compare", str(tmp_path / "both"), "--baseline", "uniform", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert answer["suite"] == "tmaze-fixed"
    assert set(answer["agents"]) == {"uniform", "meta_gradient"}
    for row in answer["agents"].values():
        assert row["n"] == 4
        assert row["low"] <= row["mean"] <= row["high"]
        assert "fraction_of_optimal" in row
    assert cli.main(["figures", str(tmp_path / "both")]) == 0
    drawn = capsys.readouterr().out.split()
    assert {path.rsplit(".", 1)[1] for path in drawn} == {"pdf", "png"}


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["merge", "a", "b", "--out", "c"], "to go on, give the same command again"),
        (["run", "tmaze-fixed"], "what is finished is kept, go on with --resume"),
    ],
)
def test_advice_names_only_options_that_the_command_has(command, advice, capsys, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, f"_{command[0]}", interrupt)
    assert cli.main(command) == 130
    assert capsys.readouterr().err == f"mgsc: interrupted; {advice}\n"

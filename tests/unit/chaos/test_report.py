"""The report: figures by role, counts by kind, and all of it as JSON."""

from __future__ import annotations

import json

from rich.console import Console

from mpipeline.chaos.absences import Absence
from mpipeline.chaos.accounts import Flow
from mpipeline.chaos.report import Fault, Report, RoleRow
from mpipeline.chaos.striker import Strike
from mpipeline.cli.chaos_tables import print_report, progress_line


def report(live: bool = False) -> Report:
    made = Report(7, live, 4, 0.25, ["supervision was overridden"])
    made.strikes = [
        Strike(1, 1, 0.5, "decoder:a", "decoder", 10),
        Strike(2, 1, 0.9, "decoder:b", "decoder", 11),
        Strike(3, 2, 0.1, "decoder:a", "decoder", 12, 1.5),
        Strike(4, 2, 0.4, "inference", "inference", 13),
    ]
    made.absences = [Absence(1, "decoder", False, 0.5), Absence(2, "decoder", False, 1.5)]
    made.flows = {"gate": Flow(frames=10, missing=3, gaps=1)} if live else {}
    return made


def printed(made: Report) -> str:
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115 - ends with the test
    print_report(made, None, console)
    return console.export_text()


def test_each_role_has_a_row_and_a_freeze_has_its_own() -> None:
    assert report().rows() == [
        RoleRow("decoder", 2, 0, 2, 1.0, 1.5),
        RoleRow("inference", 1, 0, 0, 0.0, 0.0),
        RoleRow("decoder", 0, 1, 0, 0.0, 0.0),
    ]


def test_what_was_left_behind_is_counted_and_is_a_fault() -> None:
    made = report()
    made.note_left_behind({"segments": ["mp-1-0", "mp-1-1"], "files": []}, 2, (3, 4))
    assert made.left_behind["segments"] == 2
    assert [(fault.kind, fault.job, fault.strikes) for fault in made.faults] == [("segments", 2, (3, 4))]


def test_faults_add_up_by_kind() -> None:
    made = report()
    made.faults = [Fault("lost", 3, 1, "x"), Fault("lost", 2, 2, "y"), Fault("exit_code", 1, 2, "z")]
    assert made.written()["lost"] == 5
    assert made.written()["changed"] == 0


def test_it_survives_json() -> None:
    made = report(live=True)
    made.faults = [Fault("lost", 3, 1, "x", (1, 2))]
    read = json.loads(json.dumps(made.to_mapping()))
    assert read["strikes_delivered"] == 4
    assert read["sources"]["gate"]["missing"] == 3
    assert read["faults"][0]["strikes"] == [1, 2]


def test_people_see_a_fault_with_what_repeats_it() -> None:
    made = report()
    made.faults = [Fault("lost", 1, 2, "sink jsonl: frame 3", (3, 4))]
    text = printed(made)
    assert "lost (seed 7, job 2, strikes 3 to 4): sink jsonl: frame 3" in text
    assert text.rstrip().endswith("1 fault")
    assert "no fault" in printed(report(live=True))


def test_progress_adds_the_present_run() -> None:
    made = report()
    made.strikes = made.strikes[:1]
    assert progress_line(made, 2) == "3 of 4 strikes, 0 jobs judged, 0 frames, 0 faults so far"

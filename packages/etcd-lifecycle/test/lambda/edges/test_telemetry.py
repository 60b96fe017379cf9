"""Log lines and metrics."""

import io
import json

import pytest
from etcd_lifecycle.telemetry import PassMetrics, Telemetry
from etcd_lifecycle.vitals import Vitals


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def telemetry(stream):
    return Telemetry("main", stream=stream, clock=lambda: 1732428000.125)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_is_one_json_object(telemetry, stream):
    telemetry.log("WARNING", "two\nlines", instance="i-1", error=ValueError("why"), id=2**64 - 1)
    telemetry.log("INFO", "next")
    assert lines(stream) == [
        {
            "time": 1732428000.125,
            "level": "WARNING",
            "message": "two\nlines",
            "cluster": "main",
            "instance": "i-1",
            "error": "why",
            "id": 2**64 - 1,
        },
        {"time": 1732428000.125, "level": "INFO", "message": "next", "cluster": "main"},
    ]


def check_embedded_metrics(line):
    """Check what CloudWatch's embedded metric format specification asks for."""
    metadata = line["_aws"]
    assert isinstance(metadata["Timestamp"], int)
    for directive in metadata["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Quorate"
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(line[name], str) for name in dimensions)
        for metric in directive["Metrics"]:
            assert isinstance(line[metric["Name"]], (int, float))
            assert metric["Unit"] in {"Bytes", "Count", "None", "Seconds"}


def test_the_metrics_of_a_pass(telemetry, stream):
    telemetry.passed(PassMetrics(True, 3, 2, 1, 4096, 71.5, 0.25))
    (line,) = lines(stream)
    check_embedded_metrics(line)
    assert line["_aws"]["Timestamp"] == 1732428000125
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Cluster"]]
    values = {name: value for name, value in line.items() if name != "_aws"}
    assert values == {
        "Cluster": "main",
        "Passes": 1,
        "Quorum": 1,
        "Voters": 3,
        "HealthyVoters": 2,
        "Alarms": 1,
        "DatabaseSize": 4096,
        "OldestHook": 71.5,
        "Duration": 0.25,
    }


def test_a_decision_is_counted_by_its_kind(telemetry, stream):
    telemetry.decided("RemoveMember")
    (line,) = lines(stream)
    check_embedded_metrics(line)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Cluster", "Action"]]
    assert (line["Decisions"], line["Action"]) == (1, "RemoveMember")


def test_standard_output_is_the_default(capsys):
    Telemetry("main").log("INFO", "out")
    assert json.loads(capsys.readouterr().out)["message"] == "out"


def test_the_metrics_of_a_snapshot(telemetry, stream):
    telemetry.snapshot_stored(4096, 1.5)
    telemetry.snapshot_failed()
    stored, failed = lines(stream)
    for line in (stored, failed):
        check_embedded_metrics(line)
        assert line["Cluster"] == "main"
    assert stored["Snapshots"] == 1
    assert stored["SnapshotSize"] == 4096
    assert stored["SnapshotDuration"] == 1.5
    assert (stored["SnapshotFailures"], failed["SnapshotFailures"]) == (0, 1)


def values(line):
    check_embedded_metrics(line)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Cluster"]]
    return {name: value for name, value in line.items() if name not in {"_aws", "Cluster"}}


def test_the_signs_of_trouble(telemetry, stream):
    telemetry.vital(Vitals(oldest_learner=90.5, refusals=2, unwell=1, snapshot_age=3600.0))
    telemetry.vital(Vitals(oldest_learner=0, refusals=0, unwell=0, snapshot_age=None))
    telemetry.vital(
        Vitals(oldest_learner=0, refusals=0, unwell=0, snapshot_age=None, preparation_failures=1)
    )
    assert [values(line) for line in lines(stream)] == [
        {"OldestLearner": 90.5, "Refusals": 2, "UnwellVoters": 1, "SnapshotAge": 3600.0},
        {"OldestLearner": 0, "Refusals": 0, "UnwellVoters": 0},
        {
            "OldestLearner": 0,
            "Refusals": 0,
            "UnwellVoters": 0,
            "PreparationFailures": 1,
        },
    ]


def test_open_circuits_are_counted_and_named(telemetry, stream):
    telemetry.circuits([])
    telemetry.circuits(["EC2", "SSM"])
    none, named, two = lines(stream)
    assert (values(none), values(two)) == ({"OpenCircuits": 0}, {"OpenCircuits": 2})
    assert named["message"] == "not called for now, as it failed: EC2, SSM"


def test_the_end_of_the_certificate_is_told_as_the_time_that_is_left(telemetry, stream):
    telemetry.certificate_ends(1732428000.125 + 86400)
    (line,) = lines(stream)
    assert values(line) == {"CertificateSeconds": 86400.0}

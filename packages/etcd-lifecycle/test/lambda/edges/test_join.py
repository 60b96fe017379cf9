"""The join configuration as an environment file."""

import subprocess
from dataclasses import replace

import pytest
from etcd_lifecycle.join import JoinFormatError, parse, render
from etcd_lifecycle.model import JoinConfiguration
from hypothesis import given, settings
from hypothesis import strategies as st

JOIN = JoinConfiguration(
    name="i-0123456789abcdef0",
    initial_cluster="i-0aaa=https://10.0.0.1:2380,i-0123456789abcdef0=https://[fd00::2]:2380",
    initial_cluster_state="existing",
    initial_cluster_token="main",
)


def test_it_is_an_environment_file():
    assert render(JOIN) == (
        "ETCD_NAME=i-0123456789abcdef0\n"
        "ETCD_INITIAL_CLUSTER=i-0aaa=https://10.0.0.1:2380,"
        "i-0123456789abcdef0=https://[fd00::2]:2380\n"
        "ETCD_INITIAL_CLUSTER_STATE=existing\n"
        "ETCD_INITIAL_CLUSTER_TOKEN=main\n"
    )


FIRST = replace(JOIN, snapshot="s3://backups/etcd/main/1.db", bump_revision=1000)


def test_the_first_member_of_a_recovered_cluster_is_told_of_the_snapshot():
    text = render(FIRST)
    assert text == render(JOIN) + (
        "QUORATE_SNAPSHOT=s3://backups/etcd/main/1.db\nQUORATE_BUMP_REVISION=1000\n"
    )
    assert parse(text) == FIRST


plain = st.text("abcXYZ019._:/,=[]@%+-", min_size=1, max_size=60)


@given(plain, plain, st.sampled_from(["new", "existing"]), plain)
def test_what_was_rendered_is_parsed(name, cluster, state, token):
    join = JoinConfiguration(name, cluster, state, token)
    assert parse(render(join)) == join


@settings(deadline=None)  # a shell starts as fast as the machine lets it
@given(plain, plain, plain)
def test_a_posix_shell_reads_it(tmp_path_factory, name, cluster, token):
    join = JoinConfiguration(name, cluster, "existing", token)
    file = tmp_path_factory.mktemp("join") / "etcd.env"
    file.write_text(render(join))
    script = (
        'set -eu; set -a; . "$1"; printf "%s\\n" "$ETCD_NAME" "$ETCD_INITIAL_CLUSTER"'
        ' "$ETCD_INITIAL_CLUSTER_STATE" "$ETCD_INITIAL_CLUSTER_TOKEN"'
    )
    shell = subprocess.run(
        ["sh", "-c", script, "sh", str(file)], capture_output=True, text=True, check=True
    )
    assert shell.stdout.split("\n")[:-1] == [name, cluster, "existing", token]


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "$(reboot)", "`x`", "a'b", 'a"b', "a;b", "é"])
@pytest.mark.parametrize("name", ["name", "initial_cluster", "initial_cluster_token"])
def test_a_value_that_a_shell_would_interpret_is_refused(name, value):
    with pytest.raises(JoinFormatError, match=f"ETCD_{name.upper()}"):
        render(replace(JOIN, **{name: value}))


def test_an_unknown_state_is_refused():
    with pytest.raises(JoinFormatError, match="'old', but must be new or existing"):
        render(replace(JOIN, initial_cluster_state="old"))


def test_a_text_too_large_for_a_parameter_is_refused():
    with pytest.raises(JoinFormatError, match="holds 4096"):
        render(replace(JOIN, initial_cluster="a" * 4096))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "does not set ETCD_NAME, ETCD_INITIAL_CLUSTER,"),
        (render(JOIN).replace("ETCD_NAME=", "ETCD_DATA_DIR="), "line 1 sets none of"),
        (render(JOIN) + "ETCD_NAME=other\n", "line 5 sets ETCD_NAME a second time"),
        (render(JOIN) + "\n", "line 5 sets none of"),
        (render(JOIN).replace("ETCD_NAME=", "export ETCD_NAME="), "line 1"),
        (render(JOIN).replace("main", "$(reboot)"), "ETCD_INITIAL_CLUSTER_TOKEN"),
        (render(JOIN).replace("existing", "old"), "must be new or existing"),
        (render(JOIN) + "QUORATE_SNAPSHOT=s3://b/k\n", "does not set QUORATE_BUMP_REVISION"),
        (render(JOIN) + "QUORATE_BUMP_REVISION=1\n", "does not set QUORATE_SNAPSHOT"),
        (render(FIRST).replace("=1000", "=all"), "'all', but must be a whole number"),
        ('{"ETCD_NAME": "x"}', "line 1"),
    ],
)
def test_anything_else_is_not_parsed(text, told):
    with pytest.raises(JoinFormatError, match=told.replace("(", r"\(")):
        parse(text)

"""The graph is dvc.yaml's, freshness is DVC's, and dvc.lock keeps the order that `dvc repro` gives it."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st

from flows import graph
from flows.graph import GraphError, Node, in_order, read_graph, repro_order, sort_lock, unsettled


def names(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def test_nodes_are_those_of_dvc_yaml(repeated_toy) -> None:
    """Six stages, parents first, with what `meta` and `desc` say of each; nothing is stale after a repro."""
    nodes = {node.name: node for node in read_graph(repeated_toy.root)}
    assert sorted(nodes) == ["last", "model", "root", "side@a", "side@b", "side@c"]
    assert (next(iter(nodes)), list(nodes)[-1]) == ("root", "last")
    assert nodes["side@b"] == Node("side@b", "one of three that do not need each other", ("root",), False, False, 2)
    assert nodes["model"].gpu and nodes["model"].retries == 0
    assert sorted(nodes["last"].parents) == ["model", "side@a", "side@b", "side@c"]
    assert not any(node.stale for node in nodes.values())


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["side@b"], ["root", "side@b"]),
        (["side"], ["root", "side@a", "side@b", "side@c"]),
        (["model", "side@a"], ["model", "root", "side@a"]),
        (["last"], ["last", "model", "root", "side@a", "side@b", "side@c"]),
    ],
)
def test_a_target_comes_with_what_it_needs(repeated_toy, targets: list[str], expected: list[str]) -> None:
    """The name of a group means all its items; a stage that no target needs is left out."""
    assert sorted(names(read_graph(repeated_toy.root, targets))) == expected


@pytest.mark.parametrize("target", ["sides", "side@d", "nowhere.txt"])
def test_an_unknown_target_is_named(repeated_toy, target: str) -> None:
    """The message has the target that dvc.yaml does not have."""
    with pytest.raises(GraphError, match=target):
        read_graph(repeated_toy.root, ["root", target])


def test_a_broken_pipeline_is_named(repeated_toy, tmp_path: Path) -> None:
    """A dvc.yaml that cannot be read is an error of the graph that names the file."""
    toy = type(repeated_toy)(repeated_toy.copy("broken").root)
    toy.edit("    outs: [models/model.txt]", "    outs: [data/root/out.txt]", name="dvc.yaml")
    with pytest.raises(GraphError, match=r"dvc\.yaml.*out\.txt"):
        read_graph(toy.root)


def test_what_lies_below_a_stale_stage_is_unsettled() -> None:
    """A -> b -> c and a -> d: with b stale, b and c are to be looked at; alone -> nothing else."""

    def node(name: str, *parents: str, stale: bool = False) -> Node:
        return Node(name, "", parents, stale, False, 0)

    chain = [node("a"), node("b", "a", stale=True), node("c", "b"), node("d", "a"), node("alone", stale=True)]
    assert unsettled(chain) == {"b", "c", "alone"}
    assert unsettled([node("a"), node("b", "a")]) == set()


@given(st.data())
def test_any_order_of_endings_comes_back_to_that_of_repro(lock: str, data: st.DataObject) -> None:
    """Whatever order entries were written in, each keeps DVC's bytes and the file is the one of `dvc repro`."""
    order = list(yaml.safe_load(lock)["stages"])
    ended = data.draw(st.permutations(order))
    shuffled = in_order(lock, ended)
    assert list(yaml.safe_load(shuffled)["stages"]) == ended
    assert in_order(shuffled, order) == lock


def test_the_order_is_that_in_which_dvc_repro_wrote_a_new_lock(repeated_toy, lock: str) -> None:
    """The toy's lock was written by one sequential `dvc repro` from nothing."""
    assert repro_order(repeated_toy.root) == list(yaml.safe_load(lock)["stages"])


@pytest.fixture(scope="module")
def lock(repeated_toy) -> str:
    """dvc.lock as `dvc repro` wrote it."""
    return str((repeated_toy.root / "dvc.lock").read_text(encoding="utf-8"))


def test_entries_that_nobody_knows_stay(lock: str) -> None:
    """A seed that was taken out of params.yaml keeps its entry: DVC's to remove, here at the end."""
    order = list(yaml.safe_load(lock)["stages"])
    assert list(yaml.safe_load(in_order(lock, order[1:]))["stages"]) == [*order[1:], order[0]]


@pytest.mark.parametrize("text", ["schema: '2.0'\n", "schema: '2.0'\nstages: {}\n", ""])
def test_a_lock_without_entries_stays_as_it_is(tmp_path: Path, text: str) -> None:
    """Before the first stage ended there is nothing to sort, whether or not there is a file."""
    sort_lock(tmp_path, ["a", "b"])
    (tmp_path / "dvc.lock").write_text(text)
    sort_lock(tmp_path, ["a", "b"])
    assert (tmp_path / "dvc.lock").read_text() == text


def test_the_lock_is_not_sorted_while_dvc_writes_it(repeated_toy, lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the project nothing is written; once it lets go the entry it wrote is kept."""
    toy = repeated_toy.copy("sorted")
    path = toy.root / "dvc.lock"
    order = list(yaml.safe_load(lock)["stages"])
    shuffled = in_order(lock, order[::-1])
    path.write_text(shuffled, encoding="utf-8")
    hold = (
        "import sys, time; from dvc.repo import Repo\nwith Repo(sys.argv[1]).lock: print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(toy.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        sorting = threading.Thread(target=sort_lock, args=(toy.root, order))
        sorting.start()
        time.sleep(1)
        assert path.read_text(encoding="utf-8") == shuffled
        added = shuffled + "  late:\n    cmd: late\n"
        path.write_text(added, encoding="utf-8")
        holder.communicate("\n")
    sorting.join(300)
    assert path.read_text(encoding="utf-8") == lock + "  late:\n    cmd: late\n"


def test_a_project_that_nobody_lets_go_of_is_not_waited_for(repeated_toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of dvc.lock is worth half a minute, not the run: with the time up, the file stays as it is."""
    toy = repeated_toy.copy("held")
    monkeypatch.setattr(graph, "SORT_SECONDS", 0.1)
    before = toy.lock()
    with Repo(os.fspath(toy.root)) as repo, repo.lock:
        sort_lock(toy.root, ["last"])
    assert toy.lock() == before

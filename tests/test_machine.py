"""Limits of memory as Linux states them, in folders that look like its own."""

import jax
import pytest

from farzi.planning.machine import available_memory, host_memory

GB = 10**9


def machine(root, *, left=16 * GB, cgroup="0::/\n", files=None):
    files = {
        "proc/meminfo": f"MemTotal: 33554432 kB\nMemAvailable: {left // 1000} kB\nHugePages: 0\n",
        "proc/self/cgroup": cgroup,
    } | (files or {})
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(content))
    return host_memory(root)


def group(folder, limit, used, cache=0):
    """Files of a control group of version 2."""
    return {
        f"sys/fs/cgroup/{folder}memory.max": f"{limit}\n",
        f"sys/fs/cgroup/{folder}memory.current": f"{used}\n",
        f"sys/fs/cgroup/{folder}memory.stat": f"anon 5\ninactive_file {cache}\n",
    }


def test_without_a_limit_it_is_what_the_machine_has_left(tmp_path):
    memory = machine(tmp_path, left=16 * GB)
    assert memory.bytes == 16 * GB // 1000 * 1024
    assert memory.source == "left on this machine"


def test_a_limit_of_a_container_counts(tmp_path):
    files = group("", 4 * GB, 3 * GB, cache=GB)
    memory = machine(tmp_path, files=files)
    assert memory == (2 * GB, "left in this container")


def test_a_container_may_have_more_than_the_machine(tmp_path):
    memory = machine(tmp_path, left=GB, files=group("", 4 * GB, GB))
    assert memory.source == "left on this machine"


def test_max_is_no_limit(tmp_path):
    assert machine(tmp_path, files=group("", "max", GB)).source == "left on this machine"


def test_limits_of_outer_groups_hold(tmp_path):
    files = group("outer/", 2 * GB, GB) | group("outer/inner/", 8 * GB, GB)
    memory = machine(tmp_path, cgroup="0::/outer/inner\n", files=files)
    assert memory.bytes == GB


def test_limits_of_the_first_version(tmp_path):
    folder = "sys/fs/cgroup/memory/docker/1234"
    files = {
        f"{folder}/memory.limit_in_bytes": 3 * GB,
        f"{folder}/memory.usage_in_bytes": 2 * GB,
        f"{folder}/memory.stat": f"cache 9\ntotal_inactive_file {GB // 2}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
        "sys/fs/cgroup/memory/memory.usage_in_bytes": 5 * GB,
    }
    memory = machine(tmp_path, cgroup="5:cpuset:/\n4:memory:/docker/1234\n0::/\n", files=files)
    assert memory == (GB + GB // 2, "left in this container")


def test_a_path_that_exists_on_the_machine_only(tmp_path):
    """Within a container the top folder is the container's group."""
    memory = machine(
        tmp_path, cgroup="0::/system.slice/of/the/machine\n", files=group("", GB, GB // 4)
    )
    assert memory.bytes == GB - GB // 4


def test_a_full_container_has_nothing_left(tmp_path):
    assert machine(tmp_path, files=group("", GB, 2 * GB)).bytes == 0


def test_another_system_says_how_much_it_has_in_all(tmp_path):
    memory = host_memory(tmp_path)
    assert memory is not None
    assert memory.source == "all of this machine's"
    assert memory.bytes > GB / 10


def test_this_machine():
    memory = available_memory()
    assert memory is not None
    assert 10**7 < memory.bytes < 10**15
    if jax.devices()[0].platform == "cpu":
        assert memory.bytes == pytest.approx(host_memory().bytes, rel=0.5)

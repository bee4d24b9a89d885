"""A sweep over a cluster that is resharded, and loses a master, in the middle of it.

PGW_RESHARD_KEYS is how many keys there are (1,000,000). None that matched and was there at the
acceptance may be left.
"""
import os
import pathlib
import sys
import threading

import pytest
import redis as redis_client

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support.processes import eventually  # noqa: E402
from support.servers import Purgeway, Redis  # noqa: E402
from support.slots import slot_of  # noqa: E402
from support.topologies import Cluster  # noqa: E402

KEYS = int(os.environ.get("PGW_RESHARD_KEYS", "1000000"))
TAGS = 3000
MOVED = 600
FILL = """for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('SET', 'match:' .. KEYS[1] .. i, 1)
end"""


def owners(cluster):
    found = {}
    for node in cluster.masters():
        for line in cluster.ask(node, "CLUSTER", "NODES").decode().splitlines():
            words = line.split()
            if "myself" in words[2]:
                for word in words[8:]:
                    first, _, last = word.partition("-")
                    if first.isdigit():
                        found.update((slot, node) for slot in range(int(first),
                                                                    int(last or first) + 1))
    return found


def fill(cluster):
    """Hash tags spread them over the slots, many to a slot. A busy machine may change the masters
    meanwhile: then once more."""
    def filled():
        try:
            return fill_once(cluster)
        except redis_client.RedisError:
            return 0
    eventually(cluster.agrees)
    return eventually(filled, 300)


def fill_once(cluster):
    of_slot = owners(cluster)
    each = KEYS // TAGS
    pipes = {node: node.client().pipeline(transaction=False) for node in cluster.masters()}
    for number in range(TAGS):
        tag = f"{{{number}}}"
        pipes[of_slot[slot_of(tag.encode())]].eval(FILL, 1, tag, 0, each - 1)
    for pipe in pipes.values():
        pipe.execute()
    return each * TAGS


def left(cluster):
    return sum(len(set(node.client().scan_iter("match:*", count=10000)))
               for node in cluster.masters())


def used_slots(cluster, node):
    of_slot = owners(cluster)
    used = sorted({slot_of(f"{{{number}}}".encode()) for number in range(TAGS)})
    return [slot for slot in used if of_slot.get(slot) is node]


def move_slots(cluster, slots, source, target, moved):
    for slot in slots:
        cluster.open_slot(slot, source, target)
        cluster.finish_slot(slot, source, target)
        moved.append(slot)


@pytest.mark.lengthy
def test_nothing_is_left():
    # A master that is being filled must not be taken for dead.
    with Cluster(replicas=1, cluster_require_full_coverage="no",
                 cluster_node_timeout="5000") as cluster, Redis() as broker:
        total = fill(cluster)
        masters = cluster.masters()
        for master in masters:
            master.client().wait(1, 30000)
        with Purgeway(broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      sweep_share=20, target_timeout_ms=1000,
                      target_url=f"redis-cluster://{cluster.seeds()}") as server:
            job = server.api.post("/v1/invalidations", {"patterns": ["match:*"]}).json["job_id"]
            eventually(lambda: server.api.job(job).json.get("progress", {"removed": 0})["removed"])
            slots, moved = used_slots(cluster, masters[0])[:MOVED], []
            mover = threading.Thread(target=move_slots, args=(cluster, slots, *masters[:2], moved))
            mover.start()
            # A third master, which takes no part in the move, is lost meanwhile.
            masters[2].kill9()
            mover.join()
            eventually(lambda: server.api.job(job).json["status"] == "succeeded", 300)
            removed = server.api.job(job).json["result"]["removed"]
        assert moved == slots
        assert left(cluster) == 0
        assert removed >= total * 0.9, "what was lost with the master's last writes may be counted twice"

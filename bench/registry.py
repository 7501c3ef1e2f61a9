"""Every group that is measured, by the name it is asked for."""

from bench.figures import Group
from bench.groups import biller, chain, events, layers, over_http, processes, routing, sign_ins, verifying, writes

GROUPS: dict[str, Group] = {
    "chain": chain.GROUP,
    "layers": layers.GROUP,
    "routing": routing.GROUP,
    "http": over_http.GROUP,
    "tokens": verifying.GROUP,
    "writes": writes.GROUP,
    "events": events.SOON,
    "relay": events.MANY,
    "idle relay": events.IDLE,
    "sign-ins": sign_ins.GROUP,
    "biller": biller.GROUP,
    "processes": processes.GROUP,
}

"""Every group that is measured, by the name it is asked for."""

from bench.figures import Group
from bench.groups import chain, layers, over_http, processes, routing, writes

GROUPS: dict[str, Group] = {
    "chain": chain.GROUP,
    "layers": layers.GROUP,
    "routing": routing.GROUP,
    "http": over_http.GROUP,
    "writes": writes.GROUP,
    "processes": processes.GROUP,
}

"""Who breaks things: faults by family, and who chooses among them by a seed."""
from nemesis import clock, commands, disk, network, process, target

FAMILIES = (process, commands, disk, network, target, clock)
#: Every fault by its name.
FAULTS = {kind.name: kind for family in FAMILIES for kind in family.FAULTS}

"""Processes that are killed, kill themselves at a step, or stand still."""
import signal

from installation import GATEWAY_STEPS, WORKER_STEPS, has_failpoints
from nemesis.fault import Fault, OnServer


class Kill(OnServer):
    """kill -9; a moment later it is started again."""
    lasts = (0, 0.8)

    def begin(self):
        self.victim.kill9()

    def end(self):
        self.victim.start(wait=False)


class KillWorker(Kill):
    name = "kill-worker"

    def victims(self):
        return self.scene.workers


class KillGateway(Kill):
    name = "kill-gateway"

    def victims(self):
        return self.scene.gateways


class KillBroker(Kill):
    name = "kill-broker"
    deaf = True

    def victims(self):
        return [self.scene.broker]


class KillTarget(Kill):
    name = "kill-target"

    def victims(self):
        return [self.scene.target_server]


class KillAll(Fault):
    """Every process at once, as when the machine is reset; what was written stays written."""
    name = "kill-all"
    deaf = True
    lasts = (0, 0.5)

    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.holds = set(scene.all())

    def begin(self):
        for server in self.scene.all():
            server.kill9()

    def end(self):
        for server in self.scene.all():
            server.start(wait=False)


class Step(OnServer):
    """Started so that it kills itself between two steps of its work."""
    lasts = (2, 5)
    steps = ()

    @classmethod
    def missing(cls, scene):
        return None if has_failpoints() else "built without -DPGW_FAILPOINTS=ON"

    def begin(self):
        step, count = self.random.choice(self.steps), self.random.randrange(1, 60)
        self.note += f" at {step}:{count}"
        self.victim.kill9()
        self.victim.env["PURGEWAY_FAILPOINT"] = f"{step}:{count}"
        self.victim.start(wait=False)

    def is_over(self):
        return not self.victim.is_alive()

    def end(self):
        del self.victim.env["PURGEWAY_FAILPOINT"]
        if self.victim.is_alive():
            self.victim.kill9()
            self.outcome = "the step was not reached"
        self.victim.start(wait=False)


class StepWorker(Step):
    name, steps = "step-worker", WORKER_STEPS

    def victims(self):
        return self.scene.workers


class StepGateway(Step):
    name, steps = "step-gateway", GATEWAY_STEPS

    def victims(self):
        return self.scene.gateways


class Stop(OnServer):
    """SIGSTOP: not dead, only late. What it held is taken over, and then it wakes."""
    lasts = (0.5, 4)

    def begin(self):
        self.victim.stand_still()

    def end(self):
        self.victim.resume()


class StopWorker(Stop):
    name = "stop-worker"

    def victims(self):
        return self.scene.workers


class StopGateway(Stop):
    name = "stop-gateway"

    def victims(self):
        return self.scene.gateways


class StopBroker(Stop):
    name = "stop-broker"
    deaf = True

    def victims(self):
        return [self.scene.broker]


class StopTarget(Stop):
    name = "stop-target"

    def victims(self):
        return [self.scene.target_server]


class Drain(OnServer):
    """SIGTERM, as a deployment does it: what is under way is finished first."""
    name = "drain"
    lasts = (0.5, 2)

    def victims(self):
        return self.scene.services()

    def begin(self):
        self.victim.signal(signal.SIGTERM)

    def end(self):
        self.victim.wait()
        self.victim.start(wait=False)


FAULTS = (KillWorker, KillGateway, KillBroker, KillTarget, KillAll, StepWorker, StepGateway,
          StopWorker, StopGateway, StopBroker, StopTarget, Drain)

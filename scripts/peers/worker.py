"""A process that repeats one inference on request, and the system's measurements of it."""
import os
import statistics
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
LONGEST_TURN = 50  # inferences


# Variables that make a library compute with other instructions than it would choose for this processor. Peers run
# without them.
CHOOSERS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "DNNL_MAX_CPU_ISA",
            "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


def environment():
    """The environment without CHOOSERS."""
    return {k: v for k, v in os.environ.items() if k not in CHOOSERS}


def unset():
    """What environment leaves out, as text."""
    return [f"{k}={os.environ[k]}" for k in CHOOSERS if k in os.environ]


class WorkerError(Exception):
    """A process that this comparison needs failed."""


class Worker:
    def __init__(self, runner, command, threads, log, env):
        self.runner, self.command, self.log = runner, command, log
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                        env={**environment(), **limits, **env})
        _, units, self.title = self.reply("ready").split(maxsplit=2)
        self.units = int(units)
        self.load_peak = self.peak()
        self.processes = family(self.process.pid)
        # From here on, the peak is that of inference alone.
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")
        self.rounds = []  # of each turn, ms per unit
        self.processor_ms = []  # of each turn, per unit
        self.cores, self.others = [], []

    def reply(self, want):
        line = self.process.stdout.readline()
        if not line.startswith(want):
            self.process.kill()
            raise WorkerError(f"{' '.join(map(str, self.command))}: said {line!r}, want {want}; see {self.log.name}")
        return line.strip()

    def ask(self, line, want):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.reply(want)

    def output(self, path):
        self.ask(f"out {path}", "done")

    def run(self, n):
        return [float(t) for t in self.ask(f"run {n}", "ms").split()[1:]]

    def turn(self, seconds):
        """Repeats the inference for about so long.

        The first one finds the caches full of others' data. It does not count, unless it lasts for a whole turn.
        """
        if not self.rounds:
            self.each = self.run(1)[0] / 1e3
        skip = self.each < seconds
        n = max(1, min(round(seconds / self.each), LONGEST_TURN))
        start, own, busy = time.perf_counter(), self.cpu(), machine_cpu()
        times = self.run(skip + n)[skip:]
        elapsed, own, busy = time.perf_counter() - start, self.cpu() - own, machine_cpu() - busy
        self.rounds.append([t / self.units for t in times])
        self.processor_ms.append(own * 1e3 / (skip + n) / self.units)
        self.cores.append(own / elapsed)
        self.others.append(max(0, busy - own) / elapsed)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def peak(self):
        """Largest resident memory so far, in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in f if line.startswith("VmHWM"))

    def cpu(self):
        """Processor seconds used so far, also by the processes that it has started."""
        ticks = 0
        for pid in self.processes:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
            except OSError:
                pass  # it has ended
        return ticks / TICK

    def result(self, kept):
        """The figures of the rounds with these numbers."""
        medians = [statistics.median(self.rounds[i]) for i in kept]
        processor_ms = [self.processor_ms[i] for i in kept]
        return {
            "runner": self.runner.name, "group": self.runner.group, "version": self.title, "units": self.units,
            "ms": statistics.median(medians), "lowest_ms": min(medians), "highest_ms": max(medians),
            "cpu_ms": statistics.median(processor_ms), "lowest_cpu_ms": min(processor_ms),
            "cores": statistics.median(self.cores[i] for i in kept), "others_cores": statistics.median(self.others[i] for i in kept),
            "peak_mb": max(self.load_peak, self.peak()), "running_peak_mb": self.peak(),
            "rounds_ms": self.rounds, "rounds_cpu_ms": self.processor_ms, "rounds_others_cores": self.others,
        }


def family(pid):
    """A process and those that it has started, and they."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
                    found += map(int, f.read().split())
        except OSError:
            pass  # it has ended, or the system does not tell
    return found


def machine_cpu():
    """Processor seconds that all processes, and other machines on the same host, have used so far."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK

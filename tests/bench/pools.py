"""The pools that scripts/bench compares: ours and the yardsticks."""

import getpass
import re
import shutil
import time
from pathlib import Path

from service import PROJECT, WORKER, Server, free_port, session_processes, wait_until

SOURCES = PROJECT / "tests/bench/yardsticks"
NGINX_PROCESSES = 3  # with nginx/nginx.conf.in: a master and two workers


class Pool(Server):
    """A FastCGI server with an nginx server in front of it, which stays when the pool is started anew."""

    def __init__(self, service, name, command, changes=(), **variables):
        self.service, self.name, self.command, self.process = service, name, command, None
        self.variables = service.worker_environment(**variables)
        self.fcgi = Path(service.env["FCGI_SOCKET"]).parent / f"{name}.fcgi"
        self.port = free_port()
        super().__init__(("127.0.0.1", self.port), service.state / f"log/{name}.log", lambda: self.process.pid)
        location = "location ~ ^/api"  # wrk knows no unix sockets
        service.nginx_server(name, f"unix:{self.fcgi}", [(location, f"listen 127.0.0.1:{self.port};\n{location}"), *changes])

    def start(self, workers, **variables):
        self.stop()
        self.process = self.service.launch(self.command(self.fcgi, workers), self.log, {**self.variables, **variables})
        self._log_offset, self._log_lines = 0, []
        wait_until(lambda: self.fcgi.is_socket() and len(self.worker_pids()) == workers, f"pool {self.name}")

    def stop(self):
        if self.process:
            self.service.end(self.process)
            self.process = None
        self.fcgi.unlink(missing_ok=True)

    def worker_pids(self):
        """All of the session but its first process, which starts them."""
        return [pid for pid in session_processes(self.process.pid) if pid != self.process.pid]

    def get(self, target):
        return self.send("GET", target, [("Authorization", "Bearer " + self.service.env["TOKEN"])])


def by_multiwatch(program):
    return lambda fcgi, workers: ["spawn-fcgi", "-n", "-s", fcgi, "-M", "0600", "--", shutil.which("multiwatch"),
                                  f"--forks={workers}", "--retry=1000000000", "--timeout=1", "--", program]


def by_php_fpm(service, database):
    def command(fcgi, workers):
        text, file = (SOURCES / "php-fpm.conf.in").read_text(), service.folder / "php-fpm.conf"
        for name, value in (("PID", service.folder / "php-fpm.pid"), ("LOG", service.state / "log/php-fpm.log"), ("SOCKET", fcgi),
                            ("USER", getpass.getuser()), ("CHILDREN", workers),
                            *((name.removeprefix("YARDSTICK_"), value) for name, value in database.items())):
            text = text.replace(f"@{name}@", str(value))
        file.write_text(text)
        return ["/usr/sbin/php-fpm8.2", "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", file]
    return command


def make_pools(service, yardsticks):
    """Ours, and where their programs are the yardsticks."""
    pools = [Pool(service, "ours", by_multiwatch(WORKER))]
    if yardsticks:
        database = {"YARDSTICK_DB_SOCKET": service.env["DB_SOCKET"], "YARDSTICK_DB_NAME": service.env["DB_NAME"],
                    "YARDSTICK_DB_USER": "run_reader", "YARDSTICK_DB_PASSWORD_FILE": str(service.state / "secrets/reader.password")}
        parameter = "fastcgi_param GATEWAY_INTERFACE"
        script = [(parameter, f"fastcgi_param SCRIPT_FILENAME \"{SOURCES}/page.php\";\n{parameter}")]
        pools += [Pool(service, "climit", by_multiwatch(yardsticks / "climit"), **database),
                  Pool(service, "cstore", by_multiwatch(yardsticks / "climit"), YARDSTICK_STORE="1", **database),
                  Pool(service, "php", by_php_fpm(service, database), script, **database),
                  Pool(service, "constant", by_multiwatch(yardsticks / "constant"))]
    # Those with the configuration before would count and take connections, too.
    wait_until(lambda: len(service.processes("nginx")) == NGINX_PROCESSES, "end of nginx's old processes")
    return pools


# ---- What the kernel knows of processes


def cpu_ns(pids):
    """Nanoseconds on a CPU since the start, of all threads, those that have ended too (/proc/PID/task would lack them)."""
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids)  # the kernel's name for a process's CPU clock


def kernel_figure(pid, file, name):
    return int(re.search(rf"^{name}:\s*(\d+)", Path(f"/proc/{pid}/{file}").read_text(), re.M)[1])


def pss_mib(pid):
    return kernel_figure(pid, "smaps_rollup", "Pss") / 1024


def peak_mib(pid):
    return kernel_figure(pid, "status", "VmHWM") / 1024


def cpu_of(pool):
    service = pool.service
    return {"workers": cpu_ns(pool.worker_pids()), "nginx": cpu_ns(service.processes("nginx")),
            "database": cpu_ns([service.database_server()])}


def settle(pool):
    """Until what clients have left behind is done."""
    def idle():
        before = sum(cpu_of(pool).values())
        time.sleep(0.05)
        return sum(cpu_of(pool).values()) - before < 5_000_000
    wait_until(idle, f"end of the requests to {pool.name}", 120)

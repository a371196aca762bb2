"""The Debian package as a file: what is in it, and what it asks for. scripts/test-package installs it."""

import gzip
import hashlib
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["BUILD_FOLDER"])
CONFFILES = {"/etc/nginx/snippets/webhook-calls-viewer.conf", "/etc/nginx/snippets/webhook-calls.conf", "/etc/webhook-calls/webhook-calls.conf"}


def output(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **options)
    if done.returncode:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def make_package(folder, **variables):
    """As the target "package" does, but in a folder of its own."""
    output("cpack", "--config", BUILD / "CPackConfig.cmake", "-D", "CPACK_DEBIAN_PACKAGE_RELEASE=1", "-B", folder, cwd=BUILD,
           env={**os.environ, **variables})
    return next(Path(folder).glob("*.deb"))


class PackageTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="webhook-calls-package-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.package = make_package(cls.folder / "made")
        cls.root, cls.control = cls.folder / "root", cls.folder / "control"
        output("dpkg-deb", "-x", cls.package, cls.root)
        output("dpkg-deb", "-e", cls.package, cls.control)
        cls.commands = sorted(file.name for file in (cls.root / "usr/sbin").iterdir())

    def field(self, name):
        return output("dpkg-deb", "-f", self.package, name).strip()

    def files(self):
        return {"/" + str(file.relative_to(self.root)) for file in self.root.rglob("*") if not file.is_dir()}

    def test_its_name_and_fields(self):
        version = output(BUILD / "fcgi/webhook-calls", "--version").split()[-1]
        architecture = output("dpkg", "--print-architecture").strip()
        self.assertEqual(f"webhook-calls_{version}-1_{architecture}.deb", self.package.name)
        self.assertEqual((f"{version}-1", architecture), (self.field("Version"), self.field("Architecture")))
        depends = re.split(r", ", self.field("Depends"))
        self.assertLessEqual({"multiwatch", "mariadb-client-core | virtual-mysql-client-core",
                              "systemd | systemd-standalone-sysusers | systemd-sysusers"}, set(depends))
        libraries = {re.sub(" .*", "", depend) for depend in depends if depend.startswith("lib")}
        self.assertLessEqual({"libc6", "libfcgi0ldbl", "libmysqlcppconn7v5", "libssl3", "libstdc++6"}, libraries)
        self.assertEqual("nginx, mariadb-server | virtual-mysql-server, curl, ca-certificates, python3", self.field("Recommends"))

    def test_files(self):
        commands = re.search(r"set\(commands ([^)]*)\)", (PROJECT / "scripts/CMakeLists.txt").read_text())[1].split()
        named = {"webhook-calls", *("webhook-calls-" + name.removesuffix("-calls") for name in commands)}
        self.assertEqual(sorted(named), self.commands)
        share = "/usr/share/webhook-calls"
        expected = {f"/usr/sbin/{name}" for name in named} | {f"/usr/share/man/man8/{name}.8.gz" for name in named}
        expected |= {f"{share}/scripts/{name}" for name in (*commands, "common.sh", "upkeep.sh", "import_calls.py")}
        expected |= {f"{share}/{file.relative_to(PROJECT)}" for file in (PROJECT / "sql").rglob("*.sql")}
        expected |= {f"/usr/lib/systemd/system/{file.name}" for file in (PROJECT / "scripts/systemd").iterdir()}
        expected |= {f"/usr/share/doc/webhook-calls/{name}" for name in
                     ("README.md", "SECURITY.md", "openapi.yaml", "copyright", "changelog.gz", "changelog.Debian.gz")}
        expected |= {f"{share}/{file.relative_to(PROJECT / 'nginx')}" for file in (PROJECT / "nginx/html").rglob("*.*")}
        expected |= {f"{share}/nginx/viewer.conf", f"{share}/nginx/webhook-calls.conf", "/usr/lib/sysusers.d/webhook-calls.conf",
                     "/usr/share/lintian/overrides/webhook-calls"} | CONFFILES
        self.assertEqual(sorted(expected), sorted(self.files()))

    def test_owners_and_modes(self):
        for line in output("dpkg-deb", "-c", self.package).strip().split("\n"):
            mode, owner, _, _, _, name = line.split(maxsplit=5)
            program = name == "./usr/sbin/webhook-calls" or re.fullmatch(r"./usr/share/webhook-calls/scripts/[a-z-]+", name)
            expected = {"d": "drwxr-xr-x", "l": "lrwxrwxrwx"}.get(mode[0], "-rwxr-xr-x" if program else "-rw-r--r--")
            with self.subTest(name=name):
                self.assertEqual((expected, "root/root"), (mode, owner))
        for file in self.control.iterdir():
            executable = file.name in ("postinst", "prerm", "postrm")
            self.assertEqual(0o755 if executable else 0o644, file.stat().st_mode & 0o777, file.name)

    def test_conffiles(self):
        self.assertEqual(CONFFILES, set((self.control / "conffiles").read_text().split()))
        self.assertEqual(CONFFILES, {name for name in self.files() if name.startswith("/etc/")})

    def test_sums(self):
        sums = dict(reversed(line.split("  ")) for line in (self.control / "md5sums").read_text().strip().split("\n"))
        self.assertEqual({name[1:] for name in self.files() if not (self.root / name[1:]).is_symlink()}, set(sums))
        for name, value in sums.items():
            self.assertEqual(hashlib.md5((self.root / name).read_bytes()).hexdigest(), value, name)

    def test_lintian(self):
        # Root's is not lintian's own advice, but a container's tests know no other.
        allow = ["--allow-root"] if os.geteuid() == 0 else []
        done = subprocess.run(["lintian", *allow, "--fail-on", "error,warning", self.package], capture_output=True, text=True,
                              timeout=300)
        self.assertEqual((0, ""), (done.returncode, done.stdout))

    def test_the_worker_is_stripped(self):
        sections = output("readelf", "--section-headers", "--wide", self.root / "usr/sbin/webhook-calls")
        self.assertNotRegex(sections, r" \.(symtab|debug)")
        self.assertIn(".text", sections)

    def test_manual_pages(self):
        for command in self.commands:
            page = self.root / f"usr/share/man/man8/{command}.8.gz"
            with self.subTest(command=command):
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
                self.assertEqual("", done.stdout + done.stderr)
                text = re.sub(r".\x08", "", output("mandoc", "-T", "utf8", "-O", "width=400", page))
                self.assertRegex(text, rf"(?m)^NAME\n +{command} . \w")
                self.assertRegex(text, rf"(?m)^SYNOPSIS\n +{command} ")
                for heading in ("DESCRIPTION", "ENVIRONMENT", "FILES", "SEE ALSO"):
                    self.assertRegex(text, rf"(?m)^{heading}$")
                # All that --help tells, whatever its layout.
                words = set(re.findall(r"\w+", text.lower()))
                missing = {word for word in re.findall(r"\w+", self.help(command).lower()) if word not in words}
                self.assertLessEqual(missing, {"settings", "all", "usage", "code"})
                others = {f"{other}(8)" for other in self.commands}
                self.assertEqual(set(), {other for other in others if other not in text})

    def help(self, command):
        return output(self.root / "usr/sbin" / command, "--help")

    def test_help_texts_are_of_an_installation(self):
        for command in self.commands:
            with self.subTest(command=command):
                text = self.help(command)
                self.assertRegex(text, rf"^[Uu]sage: {command} ")
                self.assertNotIn("scripts/", text)

    def test_settings(self):
        text = (self.root / "etc/webhook-calls/webhook-calls.conf").read_text()
        named = set(re.findall(r"(?m)^#?(WEBHOOK_CALLS_\w+)=", text))
        known = set(re.findall(r"(?m)^  (WEBHOOK_CALLS_\w+) ", self.help("webhook-calls")))
        self.assertEqual(known - {"WEBHOOK_CALLS_DB_PASSWORD"} | {"WEBHOOK_CALLS_WORKERS", "WEBHOOK_CALLS_EXPORT_WORKERS"}, named)
        self.assertEqual(["WEBHOOK_CALLS_DB_HOSTS=unix:/run/mysqld/mysqld.sock"], re.findall(r"(?m)^[^#\n].*", text))
        table = re.findall(r"(?m)^\| `(WEBHOOK_CALLS_\w+)` \|([^|]*)\|", (PROJECT / "README.md").read_text())
        defaults = {name: value.strip(" `") for name, value in table}
        for name, value in re.findall(r"(?m)^#(WEBHOOK_CALLS_\w+)=(.*)", text):
            if name not in ("WEBHOOK_CALLS_WORKERS", "WEBHOOK_CALLS_EXPORT_WORKERS"):
                self.assertEqual(defaults[name], value, name)

    def test_changelogs(self):
        doc = self.root / "usr/share/doc/webhook-calls"
        self.assertEqual((PROJECT / "CHANGELOG.md").read_bytes(), gzip.decompress((doc / "changelog.gz").read_bytes()))
        debian = gzip.decompress((doc / "changelog.Debian.gz").read_bytes()).decode()
        self.assertIn(f"webhook-calls ({self.field('Version')}) ", debian)

    def test_the_same_sources_make_the_same_package(self):
        packages = [make_package(self.folder / name, SOURCE_DATE_EPOCH="1790000000").read_bytes() for name in ("one", "two")]
        self.assertEqual(packages[0], packages[1])
        self.assertNotEqual(packages[0], self.package.read_bytes())


if __name__ == "__main__":
    unittest.main()

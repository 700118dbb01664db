"""What stands outside the package and has to agree with it: the plugin, the README and the files in tap/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from twisted.application.service import IServiceCollection, IServiceMaker, ServiceMaker
from twisted.internet.task import Clock
from twisted.plugin import getPlugins

from twisted_resp import RespFactory
from twisted_resp.server.configuration import parameter_named
from twisted_resp.server.configuration_file import load_configuration
from twisted_resp.service import RespService
from twisted_resp.tap import Options

ROOT = Path(__file__).parent.parent
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")


def own_options() -> set[str]:
    """The names that `twistd resp` takes."""
    options = Options()
    methods = {name[len("opt_") :].replace("_", "-") for name in dir(options) if name.startswith("opt_")}
    return methods | {str(declared[0]) for declared in [*options.optFlags, *options.optParameters]}


def test_twistd_finds_the_plugin() -> None:
    makers = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "resp"]
    assert [maker.module for maker in makers if isinstance(maker, ServiceMaker)] == ["twisted_resp.tap"]
    assert makers[0].options is Options


def test_the_plugin_directory_is_no_package() -> None:
    # With an __init__.py this directory would hide Twisted's own plugins.
    assert list((ROOT / "twisted").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", ["README.md", "tap/resp.service", "tap/resp.tac"])
def test_every_option_that_is_named_exists(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    # What is said to twistd itself, or to other programs, does not count.
    named = set(OPTION.findall(text)) - {"nodaemon", "pidfile", "now", "help", "check-rdb", "check-aof"}
    assert named
    assert {name for name in named - own_options() if parameter_named(name.encode()) is None} == set()


def test_the_sample_configuration_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server = RespFactory(clock=Clock()).server
    load_configuration(server, str(ROOT / "tap" / "resp.conf"))
    assert server.configuration[b"bind"] == (b"127.0.0.1", b"-::1")
    assert server.configuration[b"save"] == ((3600, 1), (300, 100), (60, 10000))
    server.close()


def test_the_tac_file_describes_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(compile((ROOT / "tap" / "resp.tac").read_text(encoding="utf-8"), "resp.tac", "exec"), namespace)
    (child,) = list(IServiceCollection(namespace["application"]))
    assert isinstance(child, RespService)

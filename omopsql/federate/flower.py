"""Flower's programs for studies: they call nobody but the study, install nothing, and wait for slow hosts.

    python -m omopsql.federate.flower superlink --host 0.0.0.0 ...
    python -m omopsql.federate.flower supernode --superlink centre:8000 ...

All options are Flower's own. Flower gives an app 30 seconds to start before it takes it for dead and starts another,
and has no option for it (1.41): a busy host starts one after another, and never ends.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

from omopsql.errors import OmopsqlError

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
HEARTBEAT = 300  # seconds that an app may take to start; after twice as many a silent one is lost
_PROGRAMS = {
    "superlink": ("flwr.superlink.cli", "flower_superlink", ["--disable-runtime-dependency-installation"]),
    "supernode": ("flwr.supernode.cli", "flower_supernode", []),
}
_REFUSED = ("--insecure", "--allow-runtime-dependency-installation")


def require_flower() -> None:
    """Raise OmopsqlError when Flower is not installed."""
    if importlib.util.find_spec("flwr") is None:
        raise OmopsqlError("a federation over a network needs Flower: pip install 'omopsql[federated]'")


def require_quiet() -> None:
    """Raise OmopsqlError when Flower would report its use, or ask for news, outside of the study."""
    for name, value in QUIET.items():
        if os.environ.get(name) != value:
            raise OmopsqlError(f"Flower calls its makers from this machine: export {name}={value} before it is started")


def run(program: str, options: Sequence[str]) -> None:
    """Run ``superlink`` or ``supernode`` with options of Flower's.

    Raises OmopsqlError when Flower is not installed, for another program, and for an option that gives up TLS or
    installs what an app asks for.
    """
    require_flower()
    if program not in _PROGRAMS:
        raise OmopsqlError(f"{program} is no program of Flower's for a study; say {' or '.join(_PROGRAMS)}")
    for option in options:
        if option in _REFUSED:
            raise OmopsqlError(f"{option} is not for a study: leave it out")
    os.environ |= QUIET  # the programs that are started by this one inherit it
    wait_for_slow_hosts()
    module, function, more = _PROGRAMS[program]
    sys.argv = [f"flower-{program}", *options, *more]
    getattr(importlib.import_module(module), function)()


def wait_for_slow_hosts() -> None:
    """Set Flower's heartbeat. To be called before anything else of Flower is imported, for others copy the number."""
    constant = importlib.import_module("flwr.common.constant")
    constant.HEARTBEAT_DEFAULT_INTERVAL = HEARTBEAT  # type: ignore[attr-defined]


def main() -> None:
    """Run the program that the command line names."""
    try:
        run(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
    except OmopsqlError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()

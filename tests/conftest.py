"""Settings for all tests: small, so that a test means the same alone, under xdist and in CI."""

import os
import signal

# Two workers on two cores: one thread each, or they fight for the cores. Kernels and subprocesses inherit it.
# Must stand before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Notebooks run with this environment's own python3 kernel, whatever the user has registered elsewhere.
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
# A backend named here would reach the notebooks' kernels, and their inline figures would be lost.
os.environ.pop("MPLBACKEND", None)

import hypothesis
import matplotlib

matplotlib.use("agg")  # in this process only: tests draw without a window

hypothesis.settings.register_profile("cnnlab", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("cnnlab")

# A shell that starts us in the background has us ignore Ctrl-C, which tests send and expect to be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

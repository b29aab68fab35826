"""A page in headless Chromium through the DevTools protocol: what it requests, what it complains of, how wide it is."""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)  # fmt: skip


@dataclass
class Visit:
    """What happened while a page was open."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)


def visit(page: Path, width: int, scripts: dict[str, str], *, dark=False, media="", script_off=False):
    """Open `page` at a width and evaluate JavaScript expressions."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # its processes end a little later
        browser = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return asyncio.run(_visit(Path(profile), page, width, scripts, dark, media, script_off))
        finally:
            browser.terminate()
            browser.wait(20)


async def _visit(profile, page, width, scripts, dark, media, script_off):
    port = await _port(profile)
    targets = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))  # the browser itself, this machine
    address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
    socket = await websocket_connect(address, max_message_size=2**28)
    result, numbers = Visit(), itertools.count(1)

    async def call(method, **parameters):
        number = next(numbers)
        await socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await asyncio.wait_for(socket.read_message(), 60))
            _note(message, result)
            if message.get("id") == number:
                return message.get("result", {})

    for domain in ("Page", "Runtime", "Log", "Network"):
        await call(f"{domain}.enable")
    await call("Emulation.setScriptExecutionDisabled", value=script_off)
    await call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await call("Emulation.setEmulatedMedia", media=media, features=[scheme])
    await call("Page.navigate", url=page.resolve().as_uri())
    for _ in range(200):
        ready = await call("Runtime.evaluate", expression="document.readyState + location.protocol")
        if ready["result"].get("value") == "completefile:":
            break
        await asyncio.sleep(0.05)
    for name, expression in scripts.items():
        answer = await call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        result.values[name] = answer["result"].get("value")
    socket.close()
    return result


async def _port(profile):
    for _ in range(400):
        file = profile / "DevToolsActivePort"
        if file.is_file() and "\n" in file.read_text():
            return int(file.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise RuntimeError("Chromium did not start")


def _note(message, result):
    method, parameters = message.get("method"), message.get("params", {})
    if method == "Runtime.exceptionThrown":
        result.errors.append(parameters["exceptionDetails"].get("text", "exception"))
    elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
        result.errors.append(str(parameters["args"]))
    elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
        result.errors.append(parameters["entry"]["text"])
    elif method == "Network.requestWillBeSent":
        result.requests.append(parameters["request"]["url"])

# Drives chromium by its debugging pipe (messages that end with a zero byte, on descriptors 3 and 4)
# and compares the processes that it says it has with those that ps sees.
#   chromium.py URL PROFILE [FLAG]...
import json, os, subprocess, sys

page, profile = sys.argv[1:3]
flags = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
  --disable-background-networking --disable-component-update --disable-dev-shm-usage
  --remote-debugging-pipe""".split()

to_browser, ours = os.pipe()
theirs, from_browser = os.pipe()


def descriptors():
    # Both lie above 4 if moved there first, so that neither move overwrites the other's source.
    source, sink = os.dup(to_browser), os.dup(from_browser)
    os.dup2(source, 3)
    os.dup2(sink, 4)


browser = subprocess.Popen(
    ["chromium", *flags, *sys.argv[3:], "--user-data-dir=" + profile, "about:blank"],
    close_fds=False, stderr=open("chromium.log", "w"), preexec_fn=descriptors)
os.close(to_browser)
os.close(from_browser)
stream = open(theirs, "rb")
number = 0
events = []


def message():
    text = bytearray()
    while (c := stream.read(1)) not in (b"\0", b""):
        text += c
    if not text:
        raise EOFError("the browser is gone")
    return json.loads(text)


def call(method, session=None, **parameters):
    global number
    number += 1
    request = {"id": number, "method": method, "params": parameters}
    if session:
        request["sessionId"] = session
    os.write(ours, json.dumps(request).encode() + b"\0")
    while (reply := message()).get("id") != number:
        events.append(reply.get("method"))
    if "error" in reply:
        raise RuntimeError(f"{method}: {reply['error']}")
    return reply["result"]


def family():
    rows = subprocess.check_output(["ps", "-eo", "pid=,ppid=,args="], text=True).splitlines()
    return {int(pid): (int(ppid), args) for pid, ppid, args in (row.split(None, 2) for row in rows)}


def kind(process):
    return {"browser": "--remote-debugging-pipe", "GPU": "--type=gpu-process"}.get(
        process["type"], "--type=renderer" if process["type"] == "renderer" else "--type=utility")


target = call("Target.createTarget", url="about:blank")["targetId"]
session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
call("Page.enable", session)
events.clear()
call("Page.navigate", session, url=page)
while "Page.loadEventFired" not in events:
    events.append(message().get("method"))
print(call("Runtime.evaluate", session, expression="document.body.innerText")["result"]["value"].strip())
said = call("SystemInfo.getProcessInfo")["processInfo"]
seen = family()
strange = [p for p in said if p["id"] not in seen or kind(p) not in seen[p["id"]][1]]
print("strange", [(p["type"], p["id"], seen.get(p["id"])) for p in strange])
print("browser", [p["id"] == browser.pid for p in said if p["type"] == "browser"])
print("renderers", sum(p["type"] == "renderer" for p in said) > 0)
print("parents", all(seen[p["id"]][0] in (1, browser.pid) for p in said if p["id"] in seen))
call("Browser.close")
print("ended", browser.wait())

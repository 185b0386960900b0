# SPDX-License-Identifier: MIT
"""python3-socketio, unmodified, on our hub: python_client.py URL. The last line is "all well"."""
import queue
import sys

import socketio

url = sys.argv[1]
events = queue.Queue()


def client(name):
    sio = socketio.Client(reconnection=False)
    sio.on("message", lambda m: events.put((name, "message", m)))
    sio.on("presence", lambda m: events.put((name, "presence", m)))
    sio.connect(url, transports=["websocket"], auth={"name": name}, wait_timeout=10)
    return sio


def expect(who, event):
    while True:
        got = events.get(timeout=10)
        if got[:2] == (who, event):
            return got[2]


kari, ola = client("kari"), client("ola")
assert kari.call("join", {"room": "lobby"}, timeout=10)["ok"] is True
answer = ola.call("join", {"room": "lobby"}, timeout=10)
assert sorted(m["name"] for m in answer["members"]) == ["kari", "ola"], answer
assert expect("kari", "presence")["member"]["name"] == "ola"
sent = kari.call("message", {"room": "lobby", "text": "hei på deg", "n": 9007199254740993}, timeout=10)
heard = expect("ola", "message")
assert (heard["id"], heard["text"], heard["n"]) == (sent["id"], "hei på deg", 9007199254740993), heard
for i in range(20):
    kari.emit("message", {"room": "lobby", "text": str(i)})
assert [expect("ola", "message")["text"] for _ in range(20)] == [str(i) for i in range(20)]
kari.disconnect()
assert expect("ola", "presence")["kind"] == "leave"
ola.disconnect()
print("all well")

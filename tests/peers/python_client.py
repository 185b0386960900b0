# SPDX-License-Identifier: MIT
"""python3-socketio, unmodified, on our hub: python_client.py URL websocket|polling|upgrade.
The last line is "all well"."""
import asyncio
import sys

import socketio

url = sys.argv[1]
transports = ["polling", "websocket"] if sys.argv[2] == "upgrade" else [sys.argv[2]]
events = asyncio.Queue()


async def client(name):
    sio = socketio.AsyncClient(reconnection=False)
    for event in ("message", "presence"):
        sio.on(event, lambda m, event=event: events.put_nowait((name, event, m)))
    await sio.connect(url, transports=transports, auth={"name": name}, wait_timeout=60)
    return sio


async def expect(who, event):
    while True:
        got = await asyncio.wait_for(events.get(), 60)
        if got[:2] == (who, event):
            return got[2]


async def main():
    kari, ola = await client("kari"), await client("ola")
    assert (await kari.call("join", {"room": "lobby"}, timeout=60))["ok"] is True
    answer = await ola.call("join", {"room": "lobby"}, timeout=60)
    assert sorted(m["name"] for m in answer["members"]) == ["kari", "ola"], answer
    assert (await expect("kari", "presence"))["member"]["name"] == "ola"
    sent = await kari.call("message", {"room": "lobby", "text": "hei på deg", "n": 9007199254740993}, timeout=60)
    heard = await expect("ola", "message")
    assert (heard["id"], heard["text"], heard["n"]) == (sent["id"], "hei på deg", 9007199254740993), heard
    for i in range(100):  # more than a reply may hold
        await kari.emit("message", {"room": "lobby", "text": str(i)})
    assert [(await expect("ola", "message"))["text"] for _ in range(100)] == [str(i) for i in range(100)]
    assert ola.transport() == transports[-1], ola.transport()
    await kari.disconnect()
    assert (await expect("ola", "presence"))["kind"] == "leave"
    await ola.disconnect()
    print("all well")


asyncio.run(main())

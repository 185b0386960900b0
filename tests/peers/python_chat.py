# SPDX-License-Identifier: MIT
"""python3-socketio's server with the small chat of chat_server.mjs: python_chat.py PORT."""
import itertools
import sys
import time

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)
ids, guests = itertools.count(1), itertools.count(1)
users, rooms = {}, {}  # sid -> user; room -> set of sids


def member(sid):
    return {**users[sid], "status": "online", "connections": 1}


@sio.event
async def connect(sid, environ, auth):
    name = (auth or {}).get("name") or f"guest-{next(guests)}"
    users[sid] = {"id": sid, "name": name}
    await sio.emit("session", {"id": sid, "user": users[sid], "server": {"name": "python_chat", "version": "1"}}, to=sid)


@sio.event
async def disconnect(sid):
    for room, sids in rooms.items():
        if sid in sids:
            sids.discard(sid)
            await sio.emit("presence", {"kind": "leave", "room": room, "member": member(sid), "reason": "closed"}, room=room)
    users.pop(sid, None)


@sio.event
async def join(sid, data):
    room = data["room"]
    sids = rooms.setdefault(room, set())
    sids.add(sid)
    sio.enter_room(sid, room)
    await sio.emit("presence", {"kind": "join", "room": room, "member": member(sid)}, room=room, skip_sid=sid)
    return {"ok": True, "room": room, "members": [member(s) for s in sids], "history": [], "created": len(sids) == 1}


@sio.event
async def message(sid, data):
    if sid not in rooms.get(data["room"], ()):
        return {"ok": False, "error": {"code": "invalid", "message": "you are not in that room"}}
    m = {"type": "text", **data, "id": f"m{next(ids)}", "time": time.time(), "sender": users[sid]}
    await sio.emit("message", m, room=data["room"], skip_sid=sid)
    return {"ok": True, "id": m["id"], "time": m["time"]}


web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)

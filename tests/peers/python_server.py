# SPDX-License-Identifier: MIT
"""python3-socketio's server, unmodified, on aiohttp: python_server.py PORT."""
import sys

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)
counts = {}


@sio.event
async def connect(sid, environ, auth):
    counts[sid] = 0


@sio.on("mixed")
async def mixed(sid, text, data):
    return {"text": text, "got": data}


@sio.on("same")
@sio.on("same", namespace="/admin")
async def same(sid, data):
    return data


@sio.on("count")
async def count(sid, n):
    counts[sid] += n == counts[sid] + 1


@sio.on("counted")
async def counted(sid):
    return counts[sid]


@sio.on("connect", namespace="/admin")
async def admin(sid, environ, auth):
    sio.start_background_task(sio.emit, "hi", "admin", to=sid, namespace="/admin")


@sio.on("ask me")
async def ask_me(sid):
    return (await sio.call("question", {"n": 7}, to=sid))["answer"]


@sio.on("ticks")
async def ticks(sid, n):
    for i in range(1, n + 1):
        await sio.emit("tick", i, to=sid)


web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)

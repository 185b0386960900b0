// SPDX-License-Identifier: MIT
// Raw WebSocket against npm ws, and a protocol in Lua on top of it. raw_test.mjs LINNET [PART OF A NAME]
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { test, equal, ok, once, within, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];

/** An HTTP server whose upgrades go to `open(socket, request)`; /refused gets 401. */
async function serve(open) {
  const http = createServer(), wss = new WebSocketServer({ noServer: true, handleProtocols: (set) => (set.has("v1.test") ? "v1.test" : false) });
  http.on("upgrade", (request, socket, head) => {
    if (request.url.startsWith("/refused")) return socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    wss.handleUpgrade(request, socket, head, (ws) => open(ws, request));
  });
  await new Promise((r) => http.listen(0, "127.0.0.1", r));
  const url = `ws://127.0.0.1:${http.address().port}`;
  return { url, close: () => { wss.clients.forEach((c) => c.terminate()); http.closeAllConnections(); return new Promise((r) => http.close(r)); } };
}

async function ends(script, url) {
  const s = await start(linnet, ["run", `tests/peers/${script}`, "--", url]);
  equal(await within(s.exited, "the script to end"), 0, s.out() + s.err());
}

test("our client on npm ws: codecs, acks, subprotocol, headers, pings, close codes", async () => {
  const requests = [];
  const server = await serve((ws, request) => {
    requests.push([request.url, request.headers["x-token"]]);
    if (request.url.startsWith("/json")) ws.on("ping", () => ws.send('{"event":"pinged","data":true}'));
    ws.on("message", (data, isBinary) => {
      if (request.url === "/text" || isBinary) return ws.send(data, { binary: isBinary });
      const m = JSON.parse(data), args = m.args ?? ("data" in m ? [m.data] : []);
      const answer = (value) => ws.send(JSON.stringify({ ack: m.ack, data: value }));
      if (m.event === "sum") answer(args[0] + args[1]);
      else if (m.event === "same") answer(args[0]);
      else if (m.event === "go away") ws.close(...args);
      else if (m.event === "ask me") {
        ws.send(JSON.stringify({ event: "question", data: 21, ack: 7 }));
        ws.once("message", (reply) => { const r = JSON.parse(reply); if (r.ack === 7) answer(r.data); });
      }
    });
  });
  await ends("raw_script.lua", server.url);
  equal(requests.slice(0, 2), [["/json?a=1&name=wren", "t"], ["/text", undefined]], "requests");
  await server.close();
});

test("npm ws on our hub: plain JSON", async () => {
  const h = await hub(linnet);
  const ws = new WebSocket(`ws://127.0.0.1:${h.port}/ws?name=kari`);
  const next = async (what) => JSON.parse((await once(ws, "message", what))[0]);
  const session = next("the session");
  equal((await session).data.user.name, "kari");
  ws.send(JSON.stringify({ event: "join", data: { room: "lobby" }, ack: 1 }));
  const joined = await next("the answer");
  equal([joined.ack, joined.data.ok, joined.data.room], [1, true, "lobby"]);
  ws.send("[1]");
  equal((await next("an error")).data.code, "invalid");
  ws.send(Buffer.from([1]));
  equal((await once(ws, "close"))[0], 1003);
  equal(await h.end(), 0);
});

test("plugins/phoenix.lua on a server of npm ws", async () => {
  const joins = [];
  const server = await serve((ws, request) => {
    ok(/^\/socket\/websocket\?(.*&)?vsn=2\.0\.0/.test(request.url) && /token=t/.test(request.url), request.url);
    const send = (...frame) => ws.send(JSON.stringify(frame));
    ws.on("message", (data) => {
      const [join, ref, topic, event, payload] = JSON.parse(data);
      const reply = (status, response) => send(join, ref, topic, "phx_reply", { status, response });
      if (event === "phx_join") {
        joins.push(join);
        reply("ok", payload);
        send(null, null, topic, "presence_state", { wren: { metas: [{ phx_ref: `r${joins.length}` }] } });
        send(join, null, topic, "shout", { body: "welcome" });
      } else if (event === "echo") reply("ok", payload);
      else if (event === "cut me off") ws.close(1012);
      else if (event === "phx_leave") { reply("ok", {}); send(join, join, topic, "phx_close", {}); }
      else if (event === "heartbeat") reply("ok", {});
      else reply("error", { reason: "unmatched topic" });
    });
  });
  await ends("phoenix_script.lua", `${server.url}/socket`);
  equal([joins.length, new Set(joins).size], [2, 2], "joins, each with a reference of its own");
  await server.close();
});

await main();

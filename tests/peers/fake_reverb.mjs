// SPDX-License-Identifier: MIT
// A server with Reverb's manners, from the exact strings of its tests: every `data` is double
// encoded, refusals are pusher:error without a channel and the line stays open, no close codes, no
// signin, no user channels. fakeReverb({key, secret}) -> {url, port, connections, ...}
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const twice = (event, data, channel) => JSON.stringify({ event, data: JSON.stringify(data), ...(channel ? { channel } : {}) });

export async function fakeReverb({ key = "app-key", secret = "app-secret", port = 0, activity = 30, accept = "members" } = {}) {
  const http = createServer((req, res) => {
    if (req.method === "POST" && /^\/broadcasting\/auth$/.test(req.url)) return authorize(req, res);
    res.writeHead(404, { "Content-Type": "application/json" }).end('{"message":"Not found."}');
  });
  const wss = new WebSocketServer({ server: http });
  const connections = new Set(), channels = new Map(); // name -> {members: Map(connection -> data), cached}
  const asked = []; // what the auth endpoint was asked
  let ids = 0;
  const born = 1 + Math.floor(Math.random() * 1e9); // a server that is started again has other ids
  const self = { asked, connections, heard: [], token: null };

  // As a Laravel application answers: signed, 403 for what is not allowed, presence with user data.
  function authorize(req, res) {
    let body = "";
    req.on("data", (d) => (body += d)).on("end", () => {
      const form = req.headers["content-type"]?.includes("json") ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));
      asked.push({ ...form, authorization: req.headers.authorization ?? null });
      const say = (status, value) => res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
      if (self.token && req.headers.authorization !== `Bearer ${self.token}`) return say(401, { message: "Unauthenticated." });
      const name = form.channel_name ?? "";
      if (/forbidden/.test(name)) return say(403, { message: "This action is unauthorized." });
      const n = Number(form.socket_id.split(".")[1] ?? 1);
      const channel_data = name.startsWith("presence-") ? JSON.stringify({ user_id: n, user_info: { name: `Test User ${n}` } }) : undefined;
      const text = [form.socket_id, name, ...(channel_data ? [channel_data] : [])].join(":");
      say(200, { auth: `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`, ...(channel_data ? { channel_data } : {}) });
    });
  }

  const error = (ws, code, message) => ws.send(twice("pusher:error", { code, message }));
  const others = (channel, ws) => [...(channels.get(channel)?.members.keys() ?? [])].filter((c) => c !== ws);
  const users = (members) => { // PHP turns keys 0..n-1 into a list
    const hash = {};
    for (const m of members.values()) if (m?.user_id !== undefined) hash[m.user_id] = m.user_info ?? [];
    const ids = Object.keys(hash).map(Number);
    return { presence: { count: ids.length, ids, hash: ids.length ? hash : [] } };
  };

  function subscribe(ws, { channel, auth, channel_data }) {
    if (/^(private|presence)-/.test(channel)) {
      const text = [ws.id, channel, ...(channel_data ? [channel_data] : [])].join(":");
      const wanted = `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`;
      if (auth !== wanted) return error(ws, 4009, "Connection is unauthorized");
    }
    if (!channels.has(channel)) channels.set(channel, { members: new Map(), cached: null });
    const c = channels.get(channel), member = channel_data ? JSON.parse(channel_data) : null;
    const known = member && [...c.members.values()].some((m) => m?.user_id === member.user_id);
    c.members.set(ws, member);
    const data = channel.startsWith("presence-") ? users(c.members) : {};
    ws.send(JSON.stringify({ event: "pusher_internal:subscription_succeeded", data: JSON.stringify(data), channel }));
    if (member && !known) for (const o of others(channel, ws)) o.send(twice("pusher_internal:member_added", member, channel));
    if (/^(private-|presence-)?cache-/.test(channel)) ws.send(c.cached ?? JSON.stringify({ event: "pusher:cache_miss", channel }));
  }
  function unsubscribe(ws, channel) {
    const c = channels.get(channel), member = c?.members.get(ws);
    if (!c?.members.delete(ws)) return;
    const still = member && [...c.members.values()].some((m) => m?.user_id === member.user_id);
    if (member && !still) for (const o of c.members.keys()) o.send(twice("pusher_internal:member_removed", { user_id: member.user_id }, channel));
    if (c.members.size === 0) channels.delete(channel);
  }
  function whisper(ws, m) {
    if (m.data !== undefined && m.data !== null && typeof m.data !== "object") return error(ws, 4200, "Invalid message format");
    if (accept === "none") return error(ws, 4301, "The app does not have client messaging enabled.");
    if (!channels.get(m.channel)?.members.has(ws)) return error(ws, 4009, "The client is not a member of the specified channel.");
    if ((ws.whispers = (ws.whispers ?? 0) + 1) > 10) return error(ws, 4301, "Rate limit exceeded");
    const text = JSON.stringify({ event: m.event, channel: m.channel, data: m.data ?? [] });
    for (const o of others(m.channel, ws)) o.send(text);
  }

  wss.on("connection", (ws, req) => {
    const app = /^\/app\/([^/?]+)/.exec(req.url)?.[1];
    connections.add(ws);
    ws.on("close", () => { connections.delete(ws); for (const name of [...channels.keys()]) unsubscribe(ws, name); });
    if (app !== key) {
      error(ws, 4001, "Application does not exist");
      return ws._socket.end(); // no close frame
    }
    ws.id = `${born}.${++ids}`;
    ws.send(twice("pusher:connection_established", { socket_id: ws.id, activity_timeout: activity }));
    ws.on("message", (data) => {
      let m;
      try { m = JSON.parse(data); } catch { return error(ws, 4200, "Invalid message format"); }
      self.heard.push(m);
      if (m?.event === "pusher:ping") ws.send('{"event":"pusher:pong"}');
      else if (m?.event === "pusher:pong") return;
      else if (m?.event === "pusher:subscribe") subscribe(ws, m.data);
      else if (m?.event === "pusher:unsubscribe") unsubscribe(ws, m.data.channel);
      else if (m?.event?.startsWith("pusher:")) error(ws, 4200, "Invalid message format");
      else if (m?.event?.startsWith("client-")) whisper(ws, m);
    });
  });

  Object.assign(self, {
    /** broadcast(new OrderShipped): to all of a channel, and into its cache. */
    broadcast(channel, event, data) {
      const text = JSON.stringify({ event, data: JSON.stringify(data), channel }), c = channels.get(channel);
      if (!c) return;
      if (/^(private-|presence-)?cache-/.test(channel)) c.cached = text;
      for (const ws of c.members.keys()) ws.send(text);
    },
    /** What the pinger does to those who do not answer. */
    prune() { for (const ws of connections) { error(ws, 4201, "Pong reply not received in time"); ws._socket.end(); } },
    ping() { for (const ws of connections) ws.send('{"event":"pusher:ping"}'); },
    members: (channel) => channels.get(channel)?.members.size ?? 0,
    async close() {
      for (const ws of connections) ws.terminate();
      await new Promise((r) => http.close(r));
    },
  });
  await new Promise((r) => http.listen(port, "127.0.0.1", r));
  self.port = http.address().port;
  self.url = `pusher://${key}@127.0.0.1:${self.port}`;
  self.http = `http://127.0.0.1:${self.port}`;
  return self;
}

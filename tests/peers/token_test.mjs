// SPDX-License-Identifier: MIT
// Tokens that end: our client at npm socket.io's middleware, socket.io-client at our hub, with
// tokens signed by node. token_test.mjs LINNET [PART OF A NAME]
import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { LIMIT, test, equal, ok, once, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];
const SECRET = "a secret of at least thirty-two bytes";

const part = (x) => Buffer.from(typeof x === "string" ? x : JSON.stringify(x)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);
function sign(claims, alg = "HS256", key = SECRET) {
  const head = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const signature = alg === "HS256"
    ? createHmac("sha256", key).update(head).digest("base64url")
    : createSign("sha256").update(head).sign({ key, dsaEncoding: "ieee-p1363" }, "base64url");
  return `${head}.${signature}`;
}
function verify(token) {
  const [head, claims, signature] = String(token).split(".");
  if (createHmac("sha256", SECRET).update(`${head}.${claims}`).digest("base64url") !== signature) throw new Error("invalid signature");
  const { exp, sub } = JSON.parse(Buffer.from(claims, "base64url"));
  if (exp <= now()) throw new Error("jwt expired");
  return { exp, sub };
}

// --- our client ---

/** npm socket.io that lets in who shows a good token, and puts out whose token has ended. */
async function guarded(options = {}) {
  const http = createServer();
  const server = new Server(http, { transports: ["websocket"], ...options });
  const seen = [];
  server.use((socket, next) => {
    try {
      socket.data.exp = verify(socket.handshake.auth.token).exp;
      next();
    } catch (e) {
      next(Object.assign(e, { data: { code: "UNAUTHORIZED" } }));
    }
  });
  server.on("connection", (socket) => {
    seen.push(socket.id);
    socket.on("authenticate", ({ token }, ack) => {
      try {
        socket.data.exp = verify(token).exp;
        http.emit("renewed");
        ack({ ok: true });
      } catch (e) {
        ack({ ok: false, message: e.message });
      }
    });
  });
  await new Promise((r) => http.listen(0, "127.0.0.1", r));
  return { http, seen, url: `http://127.0.0.1:${http.address().port}`, close: () => new Promise((r) => server.close(r)) };
}

const run = (args, pattern) => start(linnet, ["run", "tests/peers/token_script.lua", "--", ...args], pattern);
/** What the script printed, in the log. */
const said = (p) => p.err().split("\n").map((l) => l.match(/script:token_script\s+(.*)/)?.[1].split(/\s+/)).filter(Boolean);

test("npm socket.io's middleware: an expired token is asked for anew, with the reason", async () => {
  const s = await guarded();
  const p = await run([s.url, "none", sign({ exp: now() - 60 }), "no token at all", sign({ exp: now() + 3600 })], /connect\s+true/);
  // Expired by our own clock: asked again before anything is dialled. Then refused by the server.
  const lines = said(p);
  equal(lines.map((l) => l.join(" ")), [
    "asked first", "asked unauthorized", "error unauthorized invalid signature", "asked unauthorized", "connect true"]);
  ok(!p.err().includes("eyJ"), "no token in the log");
  equal(await p.end(), 0);
  await s.close();
});

test("npm socket.io: HTTP 403 to polling asks the functions anew", async () => {
  const reasons = [];
  const s = await guarded({ transports: ["polling"], allowRequest: (req, decide) => {
    if (req.method === "GET" && reasons.at(-1) !== req.headers["x-reason"]) reasons.push(req.headers["x-reason"]);
    decide(null, req.headers["x-reason"] !== "first");
  } });
  const p = await run([s.url, "none", sign({ exp: now() + 3600 })], /connect\s+true/);
  equal(reasons, ["first", "unauthorized"]);
  equal(await p.end(), 0);
  await s.close();
});

test("npm socket.io: a token is renewed while connected", async () => {
  const s = await guarded();
  const renewed = once(s.http, "renewed", "authenticate");
  const p = await run([s.url, "6s", sign({ exp: now() + 12 }), sign({ exp: now() + 3600 })], /connect\s+true/);
  await renewed;
  equal(s.seen.length, 1, "connections");
  ok(said(p).some((l) => l.join(" ") === "asked expiring"), p.err());
  equal(await p.end(), 0);
  await s.close();
});

test("npm socket.io: a new token that is refused brings the connection back with another", async () => {
  const s = await guarded();
  const p = await run([s.url, "6s", sign({ exp: now() + 12 }), "nonsense", sign({ exp: now() + 3600 })], /connect\s+false/);
  const lines = said(p).map((l) => l.slice(0, 2).join(" "));
  equal(lines, ["asked first", "connect true", "asked expiring", "disconnect auth", "asked unauthorized", "connect false"]);
  equal(await p.end(), 0);
  await s.close();
});

// --- our hub ---

const guardedHub = (jwt) => {
  const env = { ...process.env, LINNET_HUB_JWT: JSON.stringify(jwt) };
  return start(linnet, ["hub", "--port", "0"], /http:\/\/[0-9.]+:(\d+)/, { env }).then((h) => { h.url = h.match[0]; return h; });
};
const connect = (url, options) => io(url, { forceNew: true, reconnectionDelay: 20, ...options });

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) test(`a hub with jwt, by ${transports}: who comes in, who does not`, async () => {
  const h = await guardedHub({ secret: SECRET, aud: "chat" });
  const s = connect(h.url, { transports, auth: { token: sign({ sub: "u7", name: "Kari", aud: ["chat"], exp: now() + 60 }), id: "admin" } });
  const [session] = await once(s, "session");
  equal(session.user, { id: "u7", name: "Kari" });
  equal(await s.timeout(LIMIT).emitWithAck("authenticate", { token: sign({ sub: "u7", aud: "chat" }) }), { ok: true });
  const other = await s.timeout(LIMIT).emitWithAck("authenticate", { token: sign({ sub: "u8", aud: "chat" }) });
  equal([other.ok, other.error.code], [false, "forbidden"]);
  s.close();
  for (const [token, message, reason] of [
    [undefined, "invalid token", "missing"],
    [sign({ aud: "shop" }), "invalid token", "audience"],
    [sign({ aud: "chat", exp: now() - 60 }), "token expired", "expired"],
    [sign({ aud: "chat" }, "HS256", "another secret"), "invalid token", "signature"],
    [`${part({ alg: "none" })}.${part({ aud: "chat" })}.`, "invalid token", "algorithm"],
  ]) {
    const c = connect(h.url, { transports, auth: { token } });
    const [e] = await once(c, "connect_error");
    equal([e.message, e.data], [message, { code: "unauthorized", reason }]);
    c.close();
  }
  ok(!h.err().includes("eyJ"), "no token in the log");
  equal(await h.end(), 0);
});

test("a hub with jwt: who stays too long is put out, and comes back with a fresh token", async () => {
  const h = await guardedHub({ secret: SECRET, leeway: "0s" });
  const s = connect(h.url, { auth: (give) => give({ token: sign({ sub: "u7", exp: now() + 6 }) }) });
  const [first] = await once(s, "session");
  const lost = once(s, "disconnect");
  const back = once(s, "session");
  ok(["transport close", "transport error"].includes((await lost)[0]), "why");
  const [second] = await back;
  ok(first.id !== second.id, "a new session");
  equal(second.user.id, "u7");
  s.close();
  equal(await h.end(), 0);
});

for (const [alg, type, options] of [["RS256", "rsa", { modulusLength: 2048 }], ["ES256", "ec", { namedCurve: "P-256" }]]) test(`a hub with ${alg}: keys of node`, async () => {
  const dir = mkdtempSync(join(tmpdir(), "linnet-jwt-"));
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  writeFileSync(join(dir, "key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  const h = await guardedHub({ alg, key_file: join(dir, "key.pem") });
  const s = connect(h.url, { auth: { token: sign({ sub: "u7" }, alg, privateKey) } });
  const [session] = await once(s, "session");
  equal(session.user.id, "u7");
  s.close();
  const c = connect(h.url, { auth: { token: sign({ sub: "u7" }, "HS256", publicKey.export({ type: "spki", format: "pem" })) } });
  const [e] = await once(c, "connect_error");
  equal(e.data.reason, "algorithm");
  c.close();
  equal(await h.end(), 0);
  rmSync(dir, { recursive: true });
});

main();

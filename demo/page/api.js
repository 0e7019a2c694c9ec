// The server, and the answers that it has not acknowledged yet: kept in the browser until it has.

export class Away extends Error {}

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function call(method, path, body) {
  const options = { method, signal: AbortSignal.timeout(60_000) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  let reply, content;
  try {
    reply = await fetch(path, options);
    content = reply.status === 204 ? null : await reply.json();
  } catch {
    throw new Away("The server does not answer.");
  }
  if (reply.status >= 500) throw new Away(content.detail);
  if (!reply.ok) throw new Problem(reply.status, content.detail);
  return content;
}

export const get = (path) => call("GET", path);

const kept = {
  read: (name, otherwise) => JSON.parse(localStorage.getItem(`drr-${name}`)) ?? otherwise,
  write: (name, value) => localStorage.setItem(`drr-${name}`, JSON.stringify(value)),
};

// The session that is played; "own" is one's own while somebody else is played.
export const session = {
  get pending() { return kept.read("pending", []); },
  get others() { return kept.read("own", null) !== null; },

  async begin(person) {
    const { id } = await call("POST", "sessions", person);
    if (person.user_id !== undefined && !this.others) kept.write("own", kept.read("session", ""));
    if (person.user_id === undefined) kept.write("own", null);
    kept.write("session", id);
    kept.write("pending", []);
  },

  back() {
    kept.write("session", kept.read("own", ""));
    kept.write("own", null);
  },

  // Ask about the session; where there is none, or it is gone, begin one.
  async ask(method, path, body) {
    if (!kept.read("session", "")) await this.begin({});
    try {
      return await call(method, `sessions/${kept.read("session")}${path}`, body);
    } catch (error) {
      if (error.status !== 404 || path.startsWith("/explain")) throw error;
      const pending = this.pending;
      await this.begin({});
      kept.write("pending", pending);
      return call(method, `sessions/${kept.read("session")}${path}`, body);
    }
  },

  keep(item_id, rating) {
    kept.write("pending", [...this.pending, { item_id, rating }]);
  },

  // Send what is pending, oldest first. Sent twice it counts once, so nothing is lost or doubled.
  async flush() {
    let refused = "";
    while (this.pending.length) {
      const [sent] = this.pending;
      try {
        await this.ask("POST", "/feedback", sent);
      } catch (error) {
        if (error instanceof Away) throw error;
        refused = error.message;
      }
      const other = (each) => each.item_id !== sent.item_id || each.rating !== sent.rating;
      kept.write("pending", this.pending.filter(other));
    }
    return refused;
  },

  async forget() {
    await this.ask("DELETE", "");
    kept.write("session", kept.read("own", ""));
    kept.write("pending", []);
    kept.write("own", null);
  },
};

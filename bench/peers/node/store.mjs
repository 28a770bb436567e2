// The peer's store: plain Maps in memory. The package's own keeps a list of all tokens of a grant and walks through it
// with every new one, which would grow during a measurement; this one costs the same from the first to the last.
const LIMIT = 50_000; // entries of one kind; the oldest go first

export class MapStore {
  constructor() {
    this.entries = new Map();
    this.byUid = new Map();
  }

  async upsert(id, payload) {
    if (this.entries.size >= LIMIT) this.entries.delete(this.entries.keys().next().value);
    this.entries.set(id, payload);
    if (payload.uid) this.byUid.set(payload.uid, id);
  }

  async find(id) {
    return this.entries.get(id);
  }

  async findByUid(uid) {
    return this.entries.get(this.byUid.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    const found = this.entries.get(id);
    if (found) found.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    const found = this.entries.get(id);
    if (found?.uid) this.byUid.delete(found.uid);
    this.entries.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, payload] of this.entries) if (payload.grantId === grantId) this.entries.delete(id);
  }
}

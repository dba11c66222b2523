// The pictures of this page, their restorations, and their way through the server's queue.
//
// A picture is { file, name, url, restorations, left, right, pixels, facts, shown }: `url` shows the file itself, `left`
// and `right` are what is compared (null: the file itself), `pixels` is its size if known, `shown` the URLs of images
// that have been shown.  A restoration is { picture, query, label, state, id, job, until }: `state` is the server's, or
// "held" (not sent yet), "sending" or "expired"; `job` is the job's address, and `until` when the server deletes it.

import { label } from "./texts.js";

const ONCE = 3; // jobs at a time: the rest wait here, within the server's limits for a client
const AGAIN = 2000; // milliseconds before the server is asked again
const TRIES = 5;

export const isOpen = restoration => ["held", "sending", "waiting", "running"].includes(restoration?.state.state);
export const isDone = restoration => restoration?.state.state === "done";

export class Pictures {
  // `changed` is called with a picture whenever the state of its restorations has changed.
  constructor(limits, changed) {
    Object.assign(this, { limits, changed, list: [], held: [], source: null, watched: "", failures: 0, paused: false });
    setInterval(() => this.expire(), 1000);
    addEventListener("pagehide", () => this.list.forEach(picture => picture.restorations.forEach(forget)));
  }

  add(files) {
    const fresh = [...files].map(file => ({
      file, name: file.name || "pasted picture", url: URL.createObjectURL(file), restorations: [], left: null, right: null,
      pixels: 0, facts: null, shown: new Map(),
    }));
    this.list.push(...fresh);
    return fresh;
  }

  find(picture, query) {
    return picture.restorations.find(one => one.query.toString() === query.toString());
  }

  // Restores a picture, unless there is a restoration with the same options, and shows it.
  restore(picture, query) {
    let restoration = this.find(picture, query);
    if (!restoration || !(isOpen(restoration) || isDone(restoration))) {
      if (restoration) this.drop(restoration);
      restoration = { picture, query, label: label(query), state: { state: "held" }, id: null, job: null, until: null };
      picture.restorations.push(restoration);
      this.held.push(restoration);
    }
    picture.right = restoration;
    this.changed(picture);
    this.next();
  }

  cancel(restoration) {
    this.release(restoration);
    restoration.state = { state: "cancelled" };
    this.changed(restoration.picture);
    this.next();
  }

  drop(restoration) {
    const { picture } = restoration;
    this.release(restoration);
    picture.restorations = picture.restorations.filter(one => one !== restoration);
    for (const side of ["left", "right"]) if (picture[side] === restoration) picture[side] = null;
  }

  remove(picture) {
    picture.restorations.forEach(restoration => this.release(restoration));
    for (const address of [picture.url, ...picture.shown.values()]) URL.revokeObjectURL(address);
    this.list = this.list.filter(one => one !== picture);
    this.next();
  }

  // Takes a restoration out of this page's queue, stops sending it, and deletes its job.
  release(restoration) {
    this.held = this.held.filter(one => one !== restoration);
    restoration.sending?.abort();
    forget(restoration);
    Object.assign(restoration, { id: null, job: null });
  }

  get open() {
    return this.list.flatMap(picture => picture.restorations).filter(one => isOpen(one) && !this.held.includes(one));
  }

  // Sends the next restoration, one at a time, so that they reach the server in their order.
  next() {
    const open = this.open, sending = open.some(one => one.state.state === "sending");
    if (!this.paused && !sending && open.length < ONCE && this.held.length) this.send(this.held.shift());
    this.watch();
  }

  async send(restoration) {
    const { picture, query } = restoration, { file, name } = picture;
    restoration.state = { state: "sending" };
    this.changed(picture);
    if (!file.size) return this.fail(restoration, `${name} is empty: choose another file.`);
    if (file.size > this.limits.bytes) {
      const most = Math.round(this.limits.bytes / 1e6);
      return this.fail(restoration, `${name} is larger than ${most} MB, the limit of this server: choose a smaller file.`);
    }
    const sending = restoration.sending = new AbortController(), full = new URLSearchParams(query);
    full.set("name", name);
    try {
      const answer = await fetch(`api/jobs?${full}`, { method: "POST", body: file, signal: sending.signal });
      const state = await answer.json();
      if (sending.signal.aborted) return forget({ job: `api/jobs/${state.id}` });
      if (answer.status === 429) return this.wait(restoration);
      if (!answer.ok) return this.fail(restoration, state.error);
      Object.assign(restoration, { id: state.id, job: `api/jobs/${state.id}` });
      this.update(restoration, state);
      this.next();
    } catch {
      if (sending.signal.aborted) return;
      this.fail(restoration, `${name} could not be sent: check that the file is still there and the server running.`);
    }
  }

  // Sends a restoration again after a while, since the server has too much to do.
  wait(restoration) {
    restoration.state = { state: "held" };
    this.held.unshift(restoration);
    this.paused = true;
    this.changed(restoration.picture);
    setTimeout(() => { this.paused = false; this.next(); }, AGAIN);
  }

  fail(restoration, error) {
    restoration.state = { state: "failed", error };
    this.changed(restoration.picture);
    this.next();
  }

  // Follows the jobs in one stream of events: browsers open only few connections to a server.
  watch() {
    const jobs = this.open.filter(one => one.id), asked = jobs.map(one => `job=${one.id}`).join("&");
    if (asked === this.watched) return;
    this.source?.close();
    this.watched = asked;
    if (!asked) return;
    this.source = new EventSource(`api/events?${asked}`);
    this.source.onmessage = event => this.hear(jobs, JSON.parse(event.data));
    this.source.onerror = () => {
      this.source.close();
      this.watched = "";
      if (this.failures++ < TRIES) setTimeout(() => this.watch(), AGAIN);
      else for (const one of jobs) if (isOpen(one)) this.fail(one, `${one.picture.name}: the server has stopped answering.`);
    };
  }

  hear(jobs, state) {
    const restoration = jobs.find(one => one.id === state.id);
    if (!restoration || !isOpen(restoration)) return;
    this.failures = 0;
    if (state.state === "gone") return this.fail(restoration, `The server no longer has ${restoration.picture.name}.`);
    this.update(restoration, state);
    if (!isOpen(restoration)) this.next();
  }

  update(restoration, state) {
    restoration.state = state;
    restoration.picture.pixels ||= state.pixels;
    if (state.expires !== null) restoration.until = Date.now() + 1000 * state.expires;
    this.changed(restoration.picture);
  }

  expire() {
    for (const picture of this.list) for (const restoration of picture.restorations) {
      if (isDone(restoration) && Date.now() > restoration.until) this.lose(restoration);
    }
  }

  lose(restoration) {
    restoration.state = { ...restoration.state, state: "expired" };
    this.changed(restoration.picture);
  }

  // Those of the restorations that the server still has; the others are marked as expired, as they are if it has stopped.
  async available(restorations) {
    const ask = ({ job }) => fetch(job).then(answer => answer.ok).catch(() => false);
    const found = await Promise.all(restorations.map(ask));
    restorations.forEach((one, i) => found[i] || this.lose(one));
    return restorations.filter((_, i) => found[i]);
  }
}

function forget({ job }) {
  if (job) fetch(job, { method: "DELETE", keepalive: true }).catch(() => {});
}

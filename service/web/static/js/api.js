// Calls to the service that this page came from, and nowhere else.

/** What the service refused, in its own words; `code` is stable. */
class Problem extends Error {
  constructor(body, status) {
    super(body.detail || `The service answered with status ${status}.`);
    this.code = body.code || `status_${status}`;
    this.title = body.title || "The service could not answer";
    this.missing = body.missing || [];
  }
}

/** The service cannot be reached. */
class Offline extends Error {
  constructor() {
    super("The service cannot be reached. Is `facet serve` running?");
    this.code = "offline";
    this.title = "Offline";
  }
}

const banner = document.getElementById("offline");
const RETRY_MS = 3000;
let retrying = 0;
const waiting = new Set();

/** Calls `work` once the service can be reached again. */
export const whenBack = (work) => waiting.add(work);

function lost() {
  banner.hidden = false;
  if (!retrying) retrying = setInterval(lookAgain, RETRY_MS);
}

async function lookAgain() {
  try {
    if (!(await fetch("/livez", { cache: "no-store" })).ok) return;
  } catch {
    return;
  }
  clearInterval(retrying);
  retrying = 0;
  banner.hidden = true;
  const works = [...waiting];
  waiting.clear();
  works.forEach((work) => work());
}

window.addEventListener("offline", lost);
window.addEventListener("online", lookAgain);

async function answered(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Offline();
  }
  // Who is asked for a key is told nothing else; what was refused is said to whoever closes the form without one.
  if (answer.status === 401) await import("./key.js").then((key) => key.askForKey(), () => null);
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
  return answer;
}

export const get = async (path, signal) => (await answered(path, { signal })).json();

/** Bytes of a part of the map, and the version of the map that they are of. */
export async function getMapPart(path) {
  const answer = await answered(path, {});
  return { bytes: await answer.arrayBuffer(), version: answer.headers.get("Facet-Map-Version") };
}

const asked = (path, question, signal) => answered(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question), signal,
});

export const ask = async (path, question, signal) => (await asked(path, question, signal)).json();
export const askForBlob = async (path, question) => (await asked(path, question)).blob();

/** Ends this browser's session. */
export const signOut = () => answered("/session", { method: "DELETE" });

/** Sends a clip to be heard. */
export async function sendClip(blob) {
  const form = new FormData();
  form.append("file", blob, "clip");
  return (await answered("/clips", { method: "POST", body: form })).json();
}

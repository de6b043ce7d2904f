// Sound from outside the catalogue: a file that is dropped or chosen, or what the microphone hears.

import { sendClip } from "./api.js";
import { byId } from "./dom.js";
import { nameClip } from "./examples.js";
import { showRefused } from "./results.js";
import { addExample, change } from "./state.js";

const LONGEST_MS = 15_000;
const record = byId("record");
const hearing = byId("hearing");
const say = (text) => { hearing.textContent = text; };

async function hear(blob, name) {
  say("Listening to it…");
  try {
    const clip = await sendClip(blob);
    nameClip(clip.id, name);
    say("");
    addExample(`c:${clip.id}`, "like");
  } catch (error) {
    // The banner tells of an outage, and what was found stays until it is over.
    say(error.code === "offline" ? `${name} was not heard. Choose or record it again when the service is back.` : "");
    if (error.code === "offline") return;
    change({ view: "search" });
    showRefused(error, name);
  }
}

byId("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) hear(file, file.name);
});

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("is-dragging");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("is-dragging"));
document.addEventListener("drop", (event) => {
  document.body.classList.remove("is-dragging");
  const [file] = event.dataTransfer?.files ?? [];
  if (!file) return;
  event.preventDefault();
  hear(file, file.name);
});

let recorder = null;

/** The microphone's stream, or null if it is not given; meanwhile the button cannot be pressed again. */
async function microphone() {
  const hadFocus = document.activeElement === record;
  record.disabled = true;
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    say(window.isSecureContext
      ? "The microphone cannot be used; allow it for this page in your browser, or choose a file."
      : "Browsers give the microphone only to pages at localhost or over https; choose a file instead.");
    return null;
  } finally {
    record.disabled = false;
    if (hadFocus) record.focus();
  }
}

async function start() {
  const stream = await microphone();
  if (!stream) return;
  const release = () => stream.getTracks().forEach((track) => track.stop());
  let own;
  try {
    own = new MediaRecorder(stream);
    own.start();
  } catch {
    release();
    say("This browser cannot record; choose a file instead.");
    return;
  }
  recorder = own;
  const parts = [];
  const timer = setTimeout(() => own.stop(), LONGEST_MS);
  own.addEventListener("dataavailable", (event) => parts.push(event.data));
  own.addEventListener("stop", () => {
    clearTimeout(timer);
    release();
    recorder = null;
    record.setAttribute("aria-pressed", "false");
    record.textContent = "Record";
    hear(new Blob(parts, { type: own.mimeType }), "Your recording");
  });
  record.setAttribute("aria-pressed", "true");
  record.textContent = "Stop";
  say("Recording… five seconds are plenty.");
}

record.addEventListener("click", () => {
  if (!recorder) start();
  else if (recorder.state === "recording") recorder.stop();
});

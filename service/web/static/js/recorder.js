// Sound from outside the catalogue: a file that is dropped or chosen, or what the microphone hears.

import { sendClip } from "./api.js";
import { byId } from "./dom.js";
import { nameClip } from "./examples.js";
import { addExample } from "./state.js";

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
    say(error.code === "too_short" ? "That is too short: half a second at least is needed." : `${error.title}. ${error.message}`);
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

async function start() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    say(window.isSecureContext
      ? "The microphone cannot be used; allow it for this page in your browser, or choose a file."
      : "Browsers give the microphone only to pages at localhost or over https; choose a file instead.");
    return;
  }
  const parts = [];
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    stream.getTracks().forEach((track) => track.stop());
    record.setAttribute("aria-pressed", "false");
    record.textContent = "Record";
    hear(new Blob(parts, { type: recorder.mimeType }), "Your recording");
    recorder = null;
  });
  recorder.start();
  record.setAttribute("aria-pressed", "true");
  record.textContent = "Stop";
  say("Recording… five seconds are plenty.");
  setTimeout(() => recorder?.state === "recording" && recorder.stop(), LONGEST_MS);
}

record.addEventListener("click", () => (recorder ? recorder.stop() : start()));

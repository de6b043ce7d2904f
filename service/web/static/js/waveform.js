// Waveforms, drawn when their row is on the screen. Two are asked for at a time: the first look at a track decodes it.

import { get, whenBack } from "./api.js";

const kept = new Map();
const queue = [];
const asked = new Set();
const AT_ONCE = 2;
const FIRST_WAIT_MS = 5000;
// Refusals that stay: asking again would be answered the same.
const LASTING = new Set(["track_not_found", "audio_missing", "audio_changed", "undecodable", "decoder_crashed", "too_large",
  "not_audio", "no_audio_stream", "too_short"]);
let bodyWidth = 0;

const wavesOf = (id) => [...document.querySelectorAll("canvas.wave")].filter((canvas) => canvas.trackId === id);

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.isSeen = isIntersecting;
    if (isIntersecting) want(target);
  }
}, { rootMargin: "120px" });

new ResizeObserver(() => {
  // The body grows with every list; only another width changes a waveform.
  if (bodyWidth === document.body.clientWidth) return;
  bodyWidth = document.body.clientWidth;
  document.querySelectorAll("canvas.wave").forEach(draw);
}).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.querySelectorAll("canvas.wave").forEach(draw));

function want(canvas) {
  if (kept.has(canvas.trackId)) return draw(canvas);
  if (!queue.includes(canvas)) queue.push(canvas);
  next();
}

function next() {
  while (asked.size < AT_ONCE && queue.length > 0) {
    const canvas = queue.shift();
    const id = canvas.trackId;
    if (!canvas.isConnected || !canvas.isSeen || kept.has(id) || asked.has(id)) continue;
    asked.add(id);
    get(`/tracks/${encodeURIComponent(id)}/peaks`)
      .then(({ peaks }) => kept.set(id, peaks))
      .catch((error) => refused(id, error, canvas))
      .finally(() => { asked.delete(id); wavesOf(id).forEach(draw); next(); });
  }
}

function refused(id, error, canvas) {
  const again = () => wavesOf(id).filter((each) => each.isSeen).forEach(want);
  if (LASTING.has(error.code)) kept.set(id, []);
  else if (error.code === "offline") whenBack(again);
  else {
    canvas.wait = 2 * (canvas.wait ?? FIRST_WAIT_MS / 2);
    setTimeout(again, canvas.wait);
  }
}

/** A canvas that will show a track's waveform, the matched excerpt marked. */
export function waveform(track, excerpt, onSeek) {
  const canvas = document.createElement("canvas");
  canvas.className = "wave";
  canvas.trackId = track.id;
  canvas.seconds = track.duration_seconds || 1;
  canvas.excerpt = excerpt;
  canvas.played = 0;
  canvas.setAttribute("aria-hidden", "true");
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    onSeek(((event.clientX - box.left) / box.width) * canvas.seconds);
  });
  seen.observe(canvas);
  return canvas;
}

export function showPlayed(canvas, seconds) {
  canvas.played = seconds;
  draw(canvas);
}

function draw(canvas) {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !canvas.isConnected) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const accent = style.getPropertyValue("--accent");
  const wave = style.getPropertyValue("--wave");
  const at = (seconds) => (seconds / canvas.seconds) * width;
  if (canvas.excerpt) {
    pen.fillStyle = style.getPropertyValue("--tint");
    const left = at(canvas.excerpt.start_seconds);
    pen.fillRect(left, 0, Math.max(3, at(canvas.excerpt.end_seconds) - left), height);
  }
  const peaks = kept.get(canvas.trackId);
  const bars = Math.max(1, Math.floor(width / 3));
  for (let bar = 0; bar < bars; bar += 1) {
    const x = (bar / bars) * width;
    let peak = 0.02;
    if (peaks?.length) {
      const low = Math.floor((bar / bars) * peaks.length);
      const high = Math.max(low + 1, Math.floor(((bar + 1) / bars) * peaks.length));
      peak = Math.max(0.04, Math.max(...peaks.slice(low, high)) / 255);
    }
    const seconds = (x / width) * canvas.seconds;
    const isMatch = canvas.excerpt && seconds >= canvas.excerpt.start_seconds && seconds <= canvas.excerpt.end_seconds;
    pen.fillStyle = canvas.played > seconds || isMatch ? accent : wave;
    pen.fillRect(x, (height - peak * height * 0.9) / 2, 2, Math.max(1.5, peak * height * 0.9));
  }
}

// One sound at a time: a track from its matched excerpt on, and the playlist after it.

import { byId, clock } from "./dom.js";

const audio = byId("audio");
const bar = byId("player");
const seek = byId("seek");
const listeners = [];
let current = null;
let nextTrack = () => null;

/** Calls `listener` when another track plays, or it starts, stops or goes on. */
export const onPlayer = (listener) => listeners.push(listener);

export const playing = () => ({
  id: current?.id ?? null, isPlaying: current !== null && !audio.paused, seconds: audio.currentTime,
});

/** Who says what comes after the track that ended. */
export const follow = (work) => { nextTrack = work; };

/** Plays a track from a second on; asked again for the one that plays, pauses it. */
export function play(track, { from = 0, again = false } = {}) {
  if (current?.id === track.id && !again) {
    if (audio.paused) start();
    else audio.pause();
    return;
  }
  if (current?.id !== track.id) {
    current = track;
    // The fragment makes the browser ask for the bytes from there on.
    audio.src = `/tracks/${encodeURIComponent(track.id)}/audio#t=${from.toFixed(2)}`;
  } else {
    audio.currentTime = from;
  }
  bar.hidden = false;
  byId("now-title").textContent = track.title;
  byId("now-artist").textContent = track.artist || "";
  start();
}

function start() {
  audio.play().catch((error) => {
    if (error.name !== "AbortError") byId("now-artist").textContent = "This browser cannot play the file.";
  });
}

function tell() {
  const now = playing();
  byId("play").classList.toggle("is-playing", now.isPlaying);
  byId("play").setAttribute("aria-label", now.isPlaying ? "Pause" : "Play");
  const length = audio.duration || current?.duration_seconds || 0;
  seek.value = length ? Math.round((audio.currentTime / length) * 1000) : 0;
  seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length)}`);
  byId("clock").textContent = `${clock(audio.currentTime)} / ${clock(length)}`;
  listeners.forEach((listener) => listener(now));
}

["play", "pause", "timeupdate", "loadedmetadata"].forEach((name) => audio.addEventListener(name, tell));
audio.addEventListener("ended", () => {
  const track = nextTrack(current.id);
  if (track) play(track);
});
audio.addEventListener("error", () => {
  byId("now-artist").textContent = "Its file is gone, has changed, or cannot be played by this browser.";
});
byId("play").addEventListener("click", () => current && play(current));
byId("next").addEventListener("click", () => {
  const track = current && nextTrack(current.id);
  if (track) play(track);
});
seek.addEventListener("input", () => {
  if (Number.isFinite(audio.duration)) audio.currentTime = (Number(seek.value) / 1000) * audio.duration;
});
